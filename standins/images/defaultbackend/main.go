// Server answers what no Ingress claims, as upstream's defaultbackend does: 404 on any path, 200 on /healthz.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	port := flag.Int("port", 8080, "port to listen on")
	grace := flag.Duration("timeout", 5*time.Second, "how long requests under way may take once told to stop")
	flag.Parse()

	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		answer.WriteHeader(http.StatusNotFound)
		fmt.Fprint(answer, "default backend - 404")
	})
	http.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(answer, "ok")
	})

	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: fmt.Sprintf(":%d", *port), ReadHeaderTimeout: 10 * time.Second}
	finished := make(chan error, 1)
	go func() {
		<-stopping.Done()
		deadline, cancel := context.WithTimeout(context.Background(), *grace)
		defer cancel()
		finished <- server.Shutdown(deadline)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-finished; err != nil {
		log.Fatal(err)
	}
}
