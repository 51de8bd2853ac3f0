// Pause holds a pod's namespaces open: it sleeps until it is told to stop. As process 1 of a pod that shares its process
// namespace it also reaps the processes that others leave behind.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	// kubeadm's check before an upgrade runs this as a Job that must complete.
	if slices.ContainsFunc(os.Args[1:], func(word string) bool { return strings.EqualFold(word, "-v") }) {
		fmt.Println("pause of the lab")
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "Warning: pause should be the first process")
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			fmt.Fprintln(os.Stderr, "Shutting down, got signal:", received)
			return
		}
		reap()
	}
}

// reap takes in every process that has ended: one signal may stand for several.
func reap() {
	for {
		ended, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || ended <= 0 {
			return
		}
	}
}
