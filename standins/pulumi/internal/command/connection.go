package command

import (
	"context"
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

// Endpoint is how to reach one machine by SSH; the schema has filled in its defaults. Nil is a property that was left out.
type Endpoint struct {
	Host               string  `json:"host"`
	Port               float64 `json:"port"`
	User               string  `json:"user"`
	HostKey            string  `json:"hostKey"`
	PrivateKey         *string `json:"privateKey"`
	PrivateKeyPassword *string `json:"privateKeyPassword"`
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

func (e *Endpoint) address() string {
	return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))
}

// clientConfig is the SSH client's side; release closes a connection to an agent. As upstream's SSHConfig
// (provider/pkg/provider/remote/connection.go of 1.2.1): the server has to prove itself by an algorithm of the pinned
// key's own name, and the agent is asked after the key. Of two ways called "publickey" Go's client
// tries the first one only (x/crypto, ssh/client_auth.go), so that a private key keeps the agent's from being tried.
func (e *Endpoint) clientConfig() (config *ssh.ClientConfig, release func(), err error) {
	release = func() {}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(e.HostKey))
	if err != nil {
		// Without one, upstream takes whatever key the machine has; nobody here wants that.
		return nil, release, fmt.Errorf("connection.hostKey of %s: expected a public key line such as `ssh-ed25519 AAAA…`: %w",
			e.Host, err)
	}
	config = &ssh.ClientConfig{User: e.User, HostKeyCallback: e.pin(key), HostKeyAlgorithms: []string{key.Type()}}
	if e.PrivateKey != nil {
		signer, err := e.signer()
		if err != nil {
			return nil, release, fmt.Errorf("connection.privateKey for %s: %w", e.Host, err)
		}
		config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	}
	if socket := os.Getenv("SSH_AUTH_SOCK"); socket != "" {
		connection, err := net.Dial("unix", socket)
		if err != nil {
			return nil, release, fmt.Errorf("cannot reach the SSH agent at SSH_AUTH_SOCK, %s: %w", socket, err)
		}
		release = func() { _ = connection.Close() }
		config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(connection).Signers))
	}
	return config, release, nil
}

func (e *Endpoint) signer() (ssh.Signer, error) {
	if e.PrivateKeyPassword != nil {
		return ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	}
	return ssh.ParsePrivateKey([]byte(*e.PrivateKey))
}

// pin accepts one host key.
func (e *Endpoint) pin(expected ssh.PublicKey) ssh.HostKeyCallback {
	fixed := ssh.FixedHostKey(expected)
	return func(hostname string, remote net.Addr, offered ssh.PublicKey) error {
		if err := fixed(hostname, remote, offered); err != nil {
			return fmt.Errorf("%w: %s offered %s, connection.hostKey pins %s. "+
				"If the machine was made anew, update the pinned key; otherwise something else answers at this address",
				err, e.address(), describe(offered), describe(expected))
		}
		return nil
	}
}

func describe(key ssh.PublicKey) string {
	return key.Type() + " " + ssh.FingerprintSHA256(key)
}

// connect opens an SSH connection, through the proxy if there is one; the returned function closes all of it.
//
// What is tried again, and how often, is as upstream's Connection.Dial: connecting to the proxy, opening a channel from
// there to the machine, and the handshake in that channel, each up to its limit. A handshake that failed has closed its
// channel, so that trying it again in the same one brings nothing but the pauses, and a last error that says "EOF".
func (c *Connection) connect(ctx context.Context, call *standin.Call) (*ssh.Client, func(), error) {
	config, release, err := c.clientConfig()
	if err != nil {
		return nil, nil, err
	}
	if c.Proxy == nil {
		client, err := withRetries(ctx, call, "SSH to "+c.address(), c.DialErrorLimit, func() (*ssh.Client, error) {
			return c.attempt(ctx, config)
		})
		if err != nil {
			release()
			return nil, nil, c.explain(err)
		}
		return client, func() { _ = client.Close(); release() }, nil
	}
	client, closeProxy, err := c.throughProxy(ctx, call, config)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("proxy: %w", err)
	}
	return client, func() { _ = client.Close(); closeProxy(); release() }, nil
}

// throughProxy connects to the proxy, and from there to the machine.
func (c *Connection) throughProxy(
	ctx context.Context, call *standin.Call, config *ssh.ClientConfig,
) (*ssh.Client, func(), error) {
	proxyConfig, release, err := c.Proxy.clientConfig()
	if err != nil {
		return nil, nil, err
	}
	proxy, err := withRetries(ctx, call, "SSH to proxy "+c.Proxy.address(), c.Proxy.DialErrorLimit,
		func() (*ssh.Client, error) { return c.Proxy.attempt(ctx, proxyConfig) })
	if err != nil {
		release()
		return nil, nil, c.Proxy.explain(err)
	}
	closeAll := func() { _ = proxy.Close(); release() }
	target := c.address() + " from proxy " + c.Proxy.address()
	connection, err := withRetries(ctx, call, "dialling "+target, c.DialErrorLimit,
		func() (net.Conn, error) { return proxy.DialContext(ctx, "tcp", c.address()) })
	if err != nil {
		closeAll()
		return nil, nil, c.explain(err)
	}
	client, err := withRetries(ctx, call, "SSH to "+target, c.DialErrorLimit,
		func() (*ssh.Client, error) { return c.handshake(ctx, connection, config) })
	if err != nil {
		closeAll()
		return nil, nil, c.explain(err)
	}
	return client, closeAll, nil
}

// pause is how retry.Until waits; the tests look at how long, without waiting.
var pause = time.After

// withRetries calls dial until it succeeds or has failed more often than limit; -1 is no limit. The pauses are
// upstream's: retry.Until begins with 100 ms and multiplies by 1.5 up to 5 s (pulumi/sdk, go/common/util/retry).
func withRetries[T any](
	ctx context.Context, call *standin.Call, what string, limit int, dial func() (T, error),
) (T, error) {
	var found T
	accept := func(try int, _ time.Duration) (bool, any, error) {
		var failure error
		if found, failure = dial(); failure == nil {
			return true, nil, nil
		}
		if limit >= 0 && try+1 > limit {
			return true, nil, fmt.Errorf("after %d failed attempts: %w", try+1, failure)
		}
		of := strconv.Itoa(limit)
		if limit < 0 {
			of = "unlimited"
		}
		call.Status(ctx, fmt.Sprintf("%s: attempt %d of %s failed, retrying: %v", what, try+1, of, failure))
		return false, nil, nil
	}
	done, _, err := (&retry.Retryer{After: pause}).Until(ctx, retry.Acceptor{Accept: accept})
	if err == nil && !done {
		err = ctx.Err()
	}
	return found, err
}

// attempt dials and shakes hands once.
func (e *Endpoint) attempt(ctx context.Context, config *ssh.ClientConfig) (*ssh.Client, error) {
	ctx, cancel := e.limited(ctx)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", e.address())
	if err != nil {
		return nil, err
	}
	return e.handshake(ctx, connection, config)
}

// limited is the time that one attempt has. It covers the handshake too, where upstream's is for the TCP connection
// only: a server may accept a connection and stay silent.
func (e *Endpoint) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if e.PerDialTimeout > 0 {
		return context.WithTimeout(ctx, time.Duration(e.PerDialTimeout)*time.Second)
	}
	return context.WithCancel(ctx)
}

func (e *Endpoint) handshake(ctx context.Context, connection net.Conn, config *ssh.ClientConfig) (*ssh.Client, error) {
	ctx, cancel := e.limited(ctx)
	defer cancel()
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

// explain says what an error is about, and what to look at.
func (e *Endpoint) explain(err error) error {
	target := fmt.Sprintf("cannot connect to %s@%s by SSH", e.User, e.address())
	switch {
	case strings.Contains(err.Error(), "host key"): // another one, or none of the pinned kind
		return fmt.Errorf("%s: %w", target, err)
	case strings.Contains(err.Error(), authenticationFailed): // the library has no type for it
		return fmt.Errorf("%s: authentication failed: %w. Check connection.user and privateKey, "+
			"and that the machine's authorized_keys has the key", target, err)
	}
	return fmt.Errorf("%s: %w. Check that the machine is up and its sshd listens at this address "+
		"(connection.host, port, dialErrorLimit, perDialTimeout)", target, err)
}
