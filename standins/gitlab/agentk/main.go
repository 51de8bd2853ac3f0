// Agentk stands in for GitLab's agent for Kubernetes beside the lab's GitLab: it connects out to KAS by WebSocket, proves
// itself with its token, and has the cluster's API answer what GitLab asks through that connection.
//
// Its flags are the real one's that the lab's chart gives it; any other is refused. What goes over a connection is plain
// HTTP/1.1 in which this is the server, so that only the lab's KAS understands it. It does nothing of its own in the cluster:
// no GitOps, no scanning, no leader election.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	address := flag.String("kas-address", "", "the URL of KAS, wss://…/-/kubernetes-agent/")
	tokenFile := flag.String("token-file", "", "the file with the agent's token")
	caFile := flag.String("kas-ca-cert-file", "", "a CA that KAS' certificate may come from, beside the system's")
	health := flag.String("observability-listen-address", ":8080", "where /liveness and /readiness are answered")
	account := flag.String("service-account", "/var/run/secrets/kubernetes.io/serviceaccount", "the directory of the pod's account")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("agentk (lab stand-in): unknown arguments: %s", strings.Join(flag.Args(), " "))
	}
	stopping, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(stopping, *address, *tokenFile, *caFile, *health, *account); err != nil {
		log.Fatalf("agentk (lab stand-in): %v", err)
	}
}

func run(ctx context.Context, address, tokenFile, caFile, health, account string) error {
	if !strings.HasPrefix(address, "wss://") {
		return fmt.Errorf("--kas-address %q: only wss:// is supported", address)
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	trust, err := trusted(caFile)
	if err != nil {
		return fmt.Errorf("--kas-ca-cert-file: %w", err)
	}
	proxy, err := clusterProxy(account, os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	if err != nil {
		return err
	}
	go answerProbes(health)
	tunnels := newTunnels(ctx, dialer{address: address, token: strings.TrimSpace(string(token)), trust: trust})
	server := &http.Server{Handler: proxy, ConnState: tunnels.changed}
	go func() {
		<-ctx.Done()
		_ = server.Close()
		tunnels.Close()
	}()
	if err := server.Serve(tunnels); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// answerProbes says that the process is there; whether it is connected is in its log, and GitLab knows.
func answerProbes(address string) {
	ok := func(answer http.ResponseWriter, _ *http.Request) { answer.WriteHeader(http.StatusOK) }
	mux := http.NewServeMux()
	mux.HandleFunc("/liveness", ok)
	mux.HandleFunc("/readiness", ok)
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}
