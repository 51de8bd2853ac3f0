package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// spare connections wait for requests: none has to wait for a handshake.
	spare = 2
	// most connections at once; requests beyond wait in KAS.
	most = 100

	shortestPause = time.Second
	longestPause  = 5 * time.Second
)

// dialer makes connections to KAS.
type dialer struct {
	address, token string
	trust          *x509.CertPool
}

func trusted(caFile string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if caFile == "" {
		return pool, nil
	}
	content, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s: no PEM certificate in it", caFile)
	}
	return pool, nil
}

func (d dialer) dial(ctx context.Context) (net.Conn, error) {
	shaking, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: d.trust, MinVersion: tls.VersionTLS12},
		Proxy:           http.ProxyFromEnvironment,
	}
	header := http.Header{"Authorization": {"Bearer " + d.token}}
	connection, answer, err := websocket.Dial(shaking, d.address, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header,
	})
	if answer != nil && answer.StatusCode == http.StatusUnauthorized {
		return nil, errors.New("KAS does not know the agent's token (401)")
	}
	if err != nil {
		return nil, err
	}
	return piped(websocket.NetConn(ctx, connection, websocket.MessageBinary)), nil
}

// piped is a connection whose reads can be given up: an HTTP server does so after every request, and a WebSocket's
// connection does not survive it.
func piped(stream net.Conn) net.Conn {
	near, far := net.Pipe()
	end := func() {
		_ = far.Close()
		_ = stream.Close()
	}
	go func() {
		defer end()
		_, _ = io.Copy(stream, far)
	}()
	go func() {
		defer end()
		_, _ = io.Copy(far, stream)
	}()
	return near
}

// tunnels is a net.Listener whose connections are made to KAS: as many as keep some waiting.
type tunnels struct {
	dialer
	ctx context.Context

	lock    sync.Mutex
	moved   *sync.Cond
	states  map[net.Conn]http.ConnState
	closed  bool
	started bool
}

func newTunnels(ctx context.Context, d dialer) *tunnels {
	t := &tunnels{dialer: d, ctx: ctx, states: map[net.Conn]http.ConnState{}}
	t.moved = sync.NewCond(&t.lock)
	return t
}

// Accept makes a connection as soon as too few wait, however often KAS has to be asked.
func (t *tunnels) Accept() (net.Conn, error) {
	t.lock.Lock()
	for !t.closed && (t.waiting() >= spare || len(t.states) >= most) {
		t.moved.Wait()
	}
	t.lock.Unlock()
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		if t.ctx.Err() != nil {
			return nil, http.ErrServerClosed
		}
		connection, err := t.dial(t.ctx)
		if err == nil {
			if !t.started {
				log.Printf("connected to %s", t.address)
			}
			t.started = true
			return connection, nil
		}
		t.started = false
		log.Printf("cannot connect to %s: %v", t.address, err)
		select {
		case <-t.ctx.Done():
		case <-time.After(pause):
		}
	}
}

// waiting counts the connections without a request.
func (t *tunnels) waiting() int {
	count := 0
	for _, state := range t.states {
		if state != http.StateActive {
			count++
		}
	}
	return count
}

// changed is told by the HTTP server what a connection does.
func (t *tunnels) changed(connection net.Conn, state http.ConnState) {
	t.lock.Lock()
	defer t.lock.Unlock()
	if state == http.StateClosed || state == http.StateHijacked {
		delete(t.states, connection)
	} else {
		t.states[connection] = state
	}
	t.moved.Broadcast()
}

// Close ends waiting in Accept.
func (t *tunnels) Close() error {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.closed = true
	t.moved.Broadcast()
	return nil
}

// Addr is no address of this machine's: the connections go out.
func (t *tunnels) Addr() net.Addr { return &net.TCPAddr{} }
