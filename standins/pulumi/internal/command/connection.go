package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/retry"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"auto-devops/standins/pulumi/internal/standin"
)

// Endpoint is how to reach one machine by SSH; the schema has filled in its defaults.
type Endpoint struct {
	Host               string  `json:"host"`
	Port               float64 `json:"port"`
	User               string  `json:"user"`
	HostKey            string  `json:"hostKey"`
	PrivateKey         string  `json:"privateKey"`
	PrivateKeyPassword string  `json:"privateKeyPassword"`
	Password           string  `json:"password"`
	AgentSocketPath    string  `json:"agentSocketPath"`
	DialErrorLimit     int     `json:"dialErrorLimit"`
	PerDialTimeout     int     `json:"perDialTimeout"`
}

// Connection is a machine, perhaps behind a bastion.
type Connection struct {
	Endpoint
	Proxy *Endpoint `json:"proxy"`
}

// authenticationFailed is in the SSH library's error when the server takes none of the credentials.
const authenticationFailed = "unable to authenticate"

// hostKeyMismatchError is a server that has not the pinned key.
type hostKeyMismatchError struct{ message string }

func (e hostKeyMismatchError) Error() string { return e.message }

func (e *Endpoint) address() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// clientConfig is the SSH client's side; release closes a connection to an agent.
func (e *Endpoint) clientConfig() (config *ssh.ClientConfig, release func(), err error) {
	release = func() {}
	config = &ssh.ClientConfig{User: e.User, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	if e.HostKey != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(e.HostKey))
		if err != nil {
			return nil, release, fmt.Errorf("connection.hostKey of %s: expected a public key line such as "+
				"`ssh-ed25519 AAAA…`: %w", e.Host, err)
		}
		config.HostKeyCallback = e.pin(key)
	}
	if e.PrivateKey != "" {
		signer, err := e.signer()
		if err != nil {
			return nil, release, fmt.Errorf("connection.privateKey for %s: %w", e.Host, err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if e.Password != "" {
		answer := func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = e.Password
			}
			return answers, nil
		}
		config.Auth = append(config.Auth, ssh.Password(e.Password), ssh.KeyboardInteractive(answer))
	}
	socket := e.AgentSocketPath
	if socket == "" {
		socket = os.Getenv("SSH_AUTH_SOCK")
	}
	if socket != "" {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			return nil, release, fmt.Errorf("cannot reach the SSH agent at %s: %w "+
				"(connection.agentSocketPath, or the environment's SSH_AUTH_SOCK)", socket, err)
		}
		release = func() { _ = connection.Close() }
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(connection).Signers))
	}
	return config, release, nil
}

func (e *Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != "" {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(e.PrivateKey), []byte(e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(e.PrivateKey))
}

// pin accepts one host key. Like the official plugin it leaves the algorithms to negotiation: a server that offers a key of
// another type first is refused, so the pinned key must be the one that the negotiation picks.
func (e *Endpoint) pin(expected ssh.PublicKey) ssh.HostKeyCallback {
	fixed := ssh.FixedHostKey(expected)
	return func(hostname string, remote net.Addr, offered ssh.PublicKey) error {
		if err := fixed(hostname, remote, offered); err != nil {
			return hostKeyMismatchError{fmt.Sprintf("host key mismatch: %s offered %s, connection.hostKey pins %s. "+
				"If the machine was made anew, update the pinned key; otherwise something else answers at this address",
				e.address(), describe(offered), describe(expected))}
		}
		return nil
	}
}

func describe(key ssh.PublicKey) string {
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

// dialer opens a network connection to an address.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// connect opens an SSH connection, through the proxy if there is one; the returned function closes all of it.
func (c *Connection) connect(ctx context.Context, call *standin.Call) (*ssh.Client, func(), error) {
	if c.Proxy == nil {
		return c.Endpoint.connect(ctx, call, new(net.Dialer).DialContext)
	}
	proxy, closeProxy, err := c.Proxy.connect(ctx, call, new(net.Dialer).DialContext)
	if err != nil {
		return nil, nil, fmt.Errorf("proxy: %w", err)
	}
	client, closeClient, err := c.Endpoint.connect(ctx, call, proxy.DialContext)
	if err != nil {
		closeProxy()
		return nil, nil, fmt.Errorf("through proxy %s: %w", c.Proxy.address(), err)
	}
	return client, func() { closeClient(); closeProxy() }, nil
}

// connect retries what may pass, such as a machine that still boots, and ends at once on what will not.
func (e *Endpoint) connect(ctx context.Context, call *standin.Call, dial dialer) (*ssh.Client, func(), error) {
	config, release, err := e.clientConfig()
	if err != nil {
		return nil, nil, err
	}
	var client *ssh.Client
	failures := 0
	accept := func(int, time.Duration) (bool, any, error) {
		var failure error
		if client, failure = e.attempt(ctx, dial, config); failure == nil {
			return true, nil, nil
		}
		failures++
		if permanent(failure) || e.DialErrorLimit >= 0 && failures > e.DialErrorLimit {
			return true, nil, failure
		}
		limit := strconv.Itoa(e.DialErrorLimit)
		if e.DialErrorLimit < 0 {
			limit = "unlimited"
		}
		call.Status(ctx, fmt.Sprintf("SSH to %s: attempt %d of %s failed, retrying: %v",
			e.address(), failures, limit, failure))
		return false, nil, nil
	}
	done, _, err := retry.Until(ctx, retry.Acceptor{Accept: accept})
	if err == nil && !done {
		err = ctx.Err()
	}
	if err != nil {
		release()
		return nil, nil, e.explain(err, failures)
	}
	return client, func() { _ = client.Close(); release() }, nil
}

// attempt dials and shakes hands once. The time limit covers both: a server may accept a connection and stay silent.
func (e *Endpoint) attempt(ctx context.Context, dial dialer, config *ssh.ClientConfig) (*ssh.Client, error) {
	if e.PerDialTimeout > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(e.PerDialTimeout)*time.Second)
		defer cancel()
		ctx = limited
	}
	connection, err := dial(ctx, "tcp", e.address())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	client, channels, requests, err := ssh.NewClientConn(connection, e.address(), config)
	if err != nil {
		_ = connection.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("no SSH handshake within the time limit: %w", ctx.Err())
		}
		return nil, err
	}
	return ssh.NewClient(client, channels, requests), nil
}

func permanent(err error) bool {
	var mismatch hostKeyMismatchError
	// The library has no type for a refused authentication.
	return errors.As(err, &mismatch) || strings.Contains(err.Error(), authenticationFailed)
}

func (e *Endpoint) explain(err error, failures int) error {
	target := fmt.Sprintf("cannot connect to %s@%s by SSH", e.User, e.address())
	switch {
	case errors.As(err, new(hostKeyMismatchError)):
		return fmt.Errorf("%s: %w", target, err)
	case strings.Contains(err.Error(), authenticationFailed):
		return fmt.Errorf("%s: authentication failed: %w. Check connection.user, privateKey and password, "+
			"and that the machine's authorized_keys has the key", target, err)
	}
	return fmt.Errorf("%s: after %d failed attempts: %w. Check that the machine is up and its sshd listens at this address "+
		"(connection.host, port, dialErrorLimit, perDialTimeout)", target, failures, err)
}
