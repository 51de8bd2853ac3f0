package command

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"auto-devops/standins/pulumi/internal/standin"
)

// machine is an SSH server that runs what it is told with this machine's shell.
type machine struct {
	t          *testing.T
	listener   net.Listener
	config     *ssh.ServerConfig
	hostKeys   []ssh.Signer
	accepted   []string // environment variables, as sshd's AcceptEnv
	handshakes atomic.Int32
}

func newKey(t *testing.T) (ed25519.PrivateKey, ssh.Signer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

// start brings up a machine that lets in this client key.
func start(t *testing.T, client ssh.Signer, accepted ...string) *machine {
	t.Helper()
	m := &machine{t: t, accepted: accepted}
	m.config = &ssh.ServerConfig{
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if client != nil && bytes.Equal(key.Marshal(), client.PublicKey().Marshal()) {
				return nil, nil
			}
			return nil, errors.New("unknown key")
		},
	}
	_, signer := newKey(t)
	m.hostKeys = append(m.hostKeys, signer)
	m.config.AddHostKey(signer)
	m.listen("127.0.0.1:0")
	return m
}

func (m *machine) listen(address string) {
	m.t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		m.t.Fatal(err)
	}
	m.listener = listener
	m.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go m.serve(connection)
		}
	}()
}

func (m *machine) serve(connection net.Conn) {
	m.handshakes.Add(1)
	_, channels, requests, err := ssh.NewServerConn(connection, m.config)
	if err != nil {
		_ = connection.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		switch channel.ChannelType() {
		case "session":
			go m.session(channel)
		case "direct-tcpip":
			go forward(channel)
		default:
			_ = channel.Reject(ssh.UnknownChannelType, "no")
		}
	}
}

func forward(opened ssh.NewChannel) {
	var target struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(opened.ExtraData(), &target); err != nil {
		_ = opened.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	outward, err := net.Dial("tcp", net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port))))
	if err != nil {
		_ = opened.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := opened.Accept()
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	go func() { _, _ = io.Copy(outward, channel); _ = outward.Close() }()
	_, _ = io.Copy(channel, outward)
	_ = channel.Close()
}

func (m *machine) session(opened ssh.NewChannel) {
	channel, requests, err := opened.Accept()
	if err != nil {
		return
	}
	environment := os.Environ()
	for request := range requests {
		switch request.Type {
		case "env":
			var variable struct{ Name, Value string }
			_ = ssh.Unmarshal(request.Payload, &variable)
			known := slices.Contains(m.accepted, variable.Name)
			if known {
				environment = append(environment, variable.Name+"="+variable.Value)
			}
			_ = request.Reply(known, nil)
		case "exec":
			var line struct{ Command string }
			_ = ssh.Unmarshal(request.Payload, &line)
			_ = request.Reply(true, nil)
			go func() {
				command := exec.Command("sh", "-c", line.Command)
				command.Env, command.Stdin, command.Stdout, command.Stderr = environment, channel, channel, channel.Stderr()
				// Once it has ended: long enough that a busy machine still passes on what it wrote.
				command.WaitDelay = 2 * time.Second
				status := 0
				var failed *exec.ExitError
				if err := command.Run(); errors.As(err, &failed) {
					status = failed.ExitCode()
				}
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
				_ = channel.Close()
			}()
		default:
			_ = request.Reply(false, nil)
		}
	}
}

func (m *machine) port() int { return m.listener.Addr().(*net.TCPAddr).Port }

func (m *machine) hostKey() string {
	return string(ssh.MarshalAuthorizedKey(m.hostKeys[0].PublicKey()))
}

// bench is a program's view: a provider, what it showed, and a client key.
type bench struct {
	t        *testing.T
	key      ed25519.PrivateKey
	signer   ssh.Signer
	mutex    sync.Mutex
	messages []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Setenv("SSH_AUTH_SOCK", "")
	key, signer := newKey(t)
	return &bench{t: t, key: key, signer: signer}
}

func (b *bench) privateKey() string {
	b.t.Helper()
	block, err := ssh.MarshalPrivateKey(b.key, "")
	if err != nil {
		b.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// connection to a machine with the right keys; changes may spoil it, nil leaves a property out.
func (b *bench) connection(m *machine, changes map[string]any) map[string]any {
	values := map[string]any{
		"host": "127.0.0.1", "port": m.port(), "user": "root", "privateKey": b.privateKey(), "hostKey": m.hostKey(),
		"dialErrorLimit": 10, "perDialTimeout": 15,
	}
	for key, value := range changes {
		values[key] = value
		if value == nil {
			delete(values, key)
		}
	}
	return values
}

func (b *bench) call(connection map[string]any, inputs map[string]any) *standin.Call {
	values := map[string]any{"connection": connection}
	for key, value := range inputs {
		values[key] = value
	}
	return &standin.Call{
		URN:    resource.NewURN("dev", "p", "", "command:remote:Command", "run"),
		Inputs: resource.NewPropertyMapFromMap(values),
		Log: func(_ context.Context, severity diag.Severity, message string, status bool) {
			b.mutex.Lock()
			defer b.mutex.Unlock()
			kind := string(severity)
			if status {
				kind = "status"
			}
			b.messages = append(b.messages, kind+": "+message)
		},
	}
}

func (b *bench) shown() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return strings.Join(b.messages, "\n")
}

func stdout(found resource.PropertyMap) string { return found["stdout"].StringValue() }

func TestCreateRunsAndShows(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	call := b.call(b.connection(m, nil), map[string]any{
		"create": "echo one; cat; echo oops >&2; echo last", "stdin": "from stdin\n",
	})
	id, found, err := create(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(id, "run") || stdout(found) != "one\nfrom stdin\nlast" || found["stderr"].StringValue() != "oops" {
		t.Errorf("got id %q, %v", id, found)
	}
	for _, line := range []string{"info: one", "info: from stdin", "info: oops", "info: last"} {
		if !strings.Contains(b.shown(), line) {
			t.Errorf("want %q in what was shown:\n%s", line, b.shown())
		}
	}
}

func TestLineWithoutItsEndIsShownToo(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	// Alone: what comes on the other stream meanwhile may stand on the same line.
	if _, _, err := create(t.Context(), b.call(b.connection(m, nil), map[string]any{"create": "printf last"})); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.shown(), "info: last") {
		t.Errorf("want the line in what was shown:\n%s", b.shown())
	}
}

func TestOutputIsShownAsItComes(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	go func() {
		_, _, _ = create(t.Context(), b.call(b.connection(m, nil), map[string]any{"create": "echo early; sleep 3"}))
	}()
	for begin := time.Now(); !strings.Contains(b.shown(), "early"); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 2*time.Second {
			t.Fatal("nothing was shown while the command ran")
		}
	}
}

func TestLogging(t *testing.T) {
	for logging, want := range map[string]string{
		"none": "", "stdout": "info: out", "stderr": "info: err", "stdoutAndStderr": "info: out\ninfo: err",
	} {
		b := newBench(t)
		m := start(t, b.signer)
		call := b.call(b.connection(m, nil), map[string]any{"create": "echo out; sleep 0.1; echo err >&2", "logging": logging})
		_, found, err := create(t.Context(), call)
		if err != nil || b.shown() != want || stdout(found) != "out" {
			t.Errorf("%s: shown %q, want %q (%v, %v)", logging, b.shown(), want, found, err)
		}
	}
}

func TestFailureTellsStatusAndOutput(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	_, _, err := create(t.Context(), b.call(b.connection(m, nil), map[string]any{"create": "echo so far; echo why >&2; exit 7"}))
	for _, want := range []string{"exited with status 7", "so far", "why", "127.0.0.1", "exit 7"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestUpdateAndDelete(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer, "PULUMI_COMMAND_STDOUT", "PULUMI_COMMAND_STDERR")
	directory := t.TempDir()
	inputs := map[string]any{
		"create": "echo made", "update": "echo was $PULUMI_COMMAND_STDOUT",
		"delete": "echo $PULUMI_COMMAND_STDOUT > " + filepath.Join(directory, "deleted"),
	}
	call := b.call(b.connection(m, nil), inputs)
	call.Outputs = resource.NewPropertyMapFromMap(map[string]any{"stdout": "made", "stderr": ""})
	found, err := update(t.Context(), call)
	if err != nil || stdout(found) != "was made" {
		t.Fatalf("got %v, %v", found, err)
	}
	delete(call.Inputs, "update")
	if found, err = update(t.Context(), call); err != nil || stdout(found) != "made" {
		t.Errorf("without an update command create runs: got %v, %v", found, err)
	}
	if err := remove(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(directory, "deleted")); err != nil || string(text) != "made\n" {
		t.Errorf("got %q, %v", text, err)
	}
	call.Inputs["addPreviousOutputInEnv"] = resource.NewProperty(false)
	call.Inputs["update"] = resource.NewProperty("echo was $PULUMI_COMMAND_STDOUT")
	if found, err = update(t.Context(), call); err != nil || stdout(found) != "was" {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestWithoutCommandsNothingConnects(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	call := b.call(b.connection(m, nil), nil)
	call.Outputs = resource.PropertyMap{}
	if _, _, err := create(t.Context(), call); err != nil {
		t.Error(err)
	}
	if err := remove(t.Context(), call); err != nil {
		t.Error(err)
	}
	if m.handshakes.Load() != 0 {
		t.Errorf("%d connections", m.handshakes.Load())
	}
}

func TestPreviousOutputThatTheServerRefusesIsWarnedAbout(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	call := b.call(b.connection(m, nil), map[string]any{"update": "true"})
	call.Outputs = resource.NewPropertyMapFromMap(map[string]any{"stdout": "before"})
	if _, err := update(t.Context(), call); err != nil || !strings.Contains(b.shown(), "warning: cannot set PULUMI_COMMAND_STDOUT") {
		t.Errorf("got %v, shown %q", err, b.shown())
	}
}

// serveAgent is an SSH agent with these keys; the returned path is its socket.
func serveAgent(t *testing.T, keys ...ed25519.PrivateKey) string {
	t.Helper()
	keyring := agent.NewKeyring()
	for _, key := range keys {
		if err := keyring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keyring, connection) }()
		}
	}()
	return socket
}

func TestWaysToAuthenticate(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	encrypted, err := ssh.MarshalPrivateKeyWithPassphrase(b.key, "", []byte("open"))
	if err != nil {
		t.Fatal(err)
	}
	socket := serveAgent(t, b.key)
	for name, way := range map[string]struct {
		changes map[string]any
		agent   string
	}{
		"encrypted key": {map[string]any{"privateKey": string(pem.EncodeToMemory(encrypted)), "privateKeyPassword": "open"}, ""},
		"agent":         {map[string]any{"privateKey": nil}, socket},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", way.agent)
			_, found, err := create(t.Context(), b.call(b.connection(m, way.changes), map[string]any{"create": "echo in"}))
			if err != nil || stdout(found) != "in" {
				t.Errorf("got %v, %v", found, err)
			}
		})
	}
}

func TestAgentIsNotAskedWhereThereIsAPrivateKey(t *testing.T) {
	// As upstream: both are ways called "publickey", of which Go's client tries the first one.
	b := newBench(t)
	m := start(t, b.signer)
	t.Setenv("SSH_AUTH_SOCK", serveAgent(t, b.key))
	other, _ := newKey(t)
	block, err := ssh.MarshalPrivateKey(other, "")
	if err != nil {
		t.Fatal(err)
	}
	connection := b.connection(m, map[string]any{"privateKey": string(pem.EncodeToMemory(block)), "dialErrorLimit": 0})
	_, _, err = create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
	if err == nil || !strings.Contains(err.Error(), "authentication failed") {
		t.Errorf("got %v", err)
	}
}

func TestAgentThatIsGoneFailsAtOnceAlsoWithAPrivateKey(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "gone"))
	_, _, err := create(t.Context(), b.call(b.connection(m, nil), map[string]any{"create": "true"}))
	if err == nil || !strings.Contains(err.Error(), "SSH agent") || m.handshakes.Load() != 0 {
		t.Errorf("got %v, %d handshakes", err, m.handshakes.Load())
	}
}

func TestHostKeyMismatchIsToldWithBothKeys(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	_, other := newKey(t)
	pinned := string(ssh.MarshalAuthorizedKey(other.PublicKey()))
	connection := b.connection(m, map[string]any{"hostKey": pinned, "dialErrorLimit": 2})
	_, _, err := create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
	for _, want := range []string{
		"host key mismatch", "root@127.0.0.1:" + strconv.Itoa(m.port()),
		ssh.FingerprintSHA256(other.PublicKey()), ssh.FingerprintSHA256(m.hostKeys[0].PublicKey()),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	// Upstream tries everything again that went wrong in connecting.
	if m.handshakes.Load() != 3 {
		t.Errorf("%d attempts", m.handshakes.Load())
	}
}

// withRSA gives a machine an RSA host key too, which signs as today's OpenSSH does: with SHA-2 only.
func (m *machine) withRSA() ssh.Signer {
	m.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		m.t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		m.t.Fatal(err)
	}
	sha2, err := ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512})
	if err != nil {
		m.t.Fatal(err)
	}
	m.config.AddHostKey(sha2)
	return signer
}

func TestServerIsAskedForThePinnedKindOfKey(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m.config.AddHostKey(signer)
	rsaSigner := m.withRSA()
	for _, c := range []struct {
		key      ssh.PublicKey
		connects bool
	}{
		{m.hostKeys[0].PublicKey(), true},
		{signer.PublicKey(), true},
		// The name of the key's type is the name of the signature with SHA-1 as well, and that is all that is asked for.
		{rsaSigner.PublicKey(), false},
	} {
		connection := b.connection(m, map[string]any{"hostKey": string(ssh.MarshalAuthorizedKey(c.key)), "dialErrorLimit": 0})
		_, _, err := create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
		if (err == nil) != c.connects || err != nil && !strings.Contains(err.Error(), "no common algorithm for host key") {
			t.Errorf("pinned %s: %v", c.key.Type(), err)
		}
	}
}

func TestRefusedAuthenticationIsTriedAgain(t *testing.T) {
	// A machine that boots lets nobody but root in at first, or has not got the key from its cloud yet.
	b := newBench(t)
	m := start(t, nil)
	connection := b.connection(m, map[string]any{"dialErrorLimit": 2})
	_, _, err := create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
	if err == nil || !strings.Contains(err.Error(), "authentication failed") || !strings.Contains(err.Error(), "root@127.0.0.1") {
		t.Errorf("got %v", err)
	}
	if m.handshakes.Load() != 3 {
		t.Errorf("%d attempts", m.handshakes.Load())
	}
}

func TestBadKeysAreNamed(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	for want, changes := range map[string]map[string]any{
		"connection.privateKey": {"privateKey": "nonsense"},
		"connection.hostKey":    {"hostKey": "nonsense"},
		"connection.hostKey of": {"hostKey": nil},
	} {
		_, _, err := create(t.Context(), b.call(b.connection(m, changes), map[string]any{"create": "true"}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestDiallingIsRetried(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	address := m.listener.Addr().String()
	_ = m.listener.Close()
	connection := b.connection(m, nil)
	time.AfterFunc(600*time.Millisecond, func() { m.listen(address) })
	_, found, err := create(t.Context(), b.call(connection, map[string]any{"create": "echo up"}))
	if err != nil || stdout(found) != "up" {
		t.Fatalf("got %v, %v", found, err)
	}
	if !strings.Contains(b.shown(), "status: SSH to "+address+": attempt 1 of 10 failed, retrying: dial tcp") {
		t.Errorf("shown: %s", b.shown())
	}
}

func TestDialErrorLimit(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	_ = m.listener.Close()
	_, _, err := create(t.Context(), b.call(b.connection(m, map[string]any{"dialErrorLimit": 2}), map[string]any{"create": "true"}))
	for _, want := range []string{"after 3 failed attempts", "connection refused", "root@127.0.0.1", "dialErrorLimit"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	if count := strings.Count(b.shown(), "retrying"); count != 2 {
		t.Errorf("%d retries shown:\n%s", count, b.shown())
	}
}

func TestPausesBetweenDialsAreUpstreams(t *testing.T) {
	var pauses []time.Duration
	pause = func(length time.Duration) <-chan time.Time {
		pauses = append(pauses, length)
		return time.After(0)
	}
	t.Cleanup(func() { pause = time.After })
	b := newBench(t)
	m := start(t, b.signer)
	_ = m.listener.Close()
	connection := b.connection(m, map[string]any{"dialErrorLimit": 5})
	_, _, err := create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
	// 100 ms, then half as much again each time.
	want := []time.Duration{100_000_000, 150_000_000, 225_000_000, 337_500_000, 506_250_000}
	if err == nil || !slices.Equal(pauses, want) {
		t.Errorf("%v after pauses of %v, wanted %v", err, pauses, want)
	}
}

func TestSilentServerIsNotWaitedForForever(t *testing.T) {
	b := newBench(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	m := start(t, b.signer)
	m.listener = listener
	begin := time.Now()
	connection := b.connection(m, map[string]any{"dialErrorLimit": 0, "perDialTimeout": 1})
	_, _, err = create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
	if err == nil || !strings.Contains(err.Error(), "within the time limit") || time.Since(begin) > 4*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
}

func TestProxy(t *testing.T) {
	b := newBench(t)
	bastion, m := start(t, b.signer), start(t, b.signer)
	connection := b.connection(m, nil)
	connection["proxy"] = b.connection(bastion, nil)
	_, found, err := create(t.Context(), b.call(connection, map[string]any{"create": "echo through"}))
	if err != nil || stdout(found) != "through" || bastion.handshakes.Load() != 1 || m.handshakes.Load() != 1 {
		t.Errorf("got %v, %v", found, err)
	}
	_, other := newKey(t)
	pinned := string(ssh.MarshalAuthorizedKey(other.PublicKey()))
	connection["proxy"] = b.connection(bastion, map[string]any{"hostKey": pinned, "dialErrorLimit": 0})
	_, _, err = create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
	if err == nil || !strings.Contains(err.Error(), "proxy: ") || !strings.Contains(err.Error(), "host key mismatch") {
		t.Errorf("got %v", err)
	}
}

func TestProxyHasItsOwnWayIn(t *testing.T) {
	b := newBench(t)
	otherKey, otherSigner := newKey(t)
	bastion, m := start(t, otherSigner), start(t, b.signer)
	connection := b.connection(m, nil)
	connection["proxy"] = b.connection(bastion, map[string]any{"privateKey": nil})
	t.Setenv("SSH_AUTH_SOCK", serveAgent(t, otherKey))
	_, found, err := create(t.Context(), b.call(connection, map[string]any{"create": "echo through"}))
	if err != nil || stdout(found) != "through" {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestMachineBehindTheProxyIsDialledAgain(t *testing.T) {
	b := newBench(t)
	bastion, m := start(t, b.signer), start(t, b.signer)
	address := m.listener.Addr().String()
	_ = m.listener.Close()
	connection := b.connection(m, nil)
	connection["proxy"] = b.connection(bastion, nil)
	time.AfterFunc(600*time.Millisecond, func() { m.listen(address) })
	_, found, err := create(t.Context(), b.call(connection, map[string]any{"create": "echo up"}))
	if err != nil || stdout(found) != "up" || bastion.handshakes.Load() != 1 {
		t.Errorf("got %v, %v, %d connections to the proxy", found, err, bastion.handshakes.Load())
	}
}

func TestHandshakeBehindTheProxyHasOneChannel(t *testing.T) {
	// As upstream: it is tried again in the channel that the first failure closed, so that nothing can come of it.
	b := newBench(t)
	bastion, m := start(t, b.signer), start(t, nil)
	connection := b.connection(m, map[string]any{"dialErrorLimit": 2})
	connection["proxy"] = b.connection(bastion, nil)
	_, _, err := create(t.Context(), b.call(connection, map[string]any{"create": "true"}))
	if err == nil || !strings.Contains(err.Error(), "after 3 failed attempts: ssh: handshake failed: EOF") || m.handshakes.Load() != 1 {
		t.Errorf("got %v, %d handshakes", err, m.handshakes.Load())
	}
}

func TestCancellationEndsTheRun(t *testing.T) {
	b := newBench(t)
	m := start(t, b.signer)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, _, err := create(ctx, b.call(b.connection(m, nil), map[string]any{"create": "sleep 5"}))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 3*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
}

func TestDiffByTheOfficialRules(t *testing.T) {
	provider, err := standin.New(Package(), nil)
	if err != nil {
		t.Fatal(err)
	}
	urn := resource.NewURN("dev", "p", "", "command:remote:Command", "run")
	diff := func(old, changed map[string]any) plugin.DiffResult {
		result, err := provider.Diff(t.Context(), plugin.DiffRequest{
			URN: urn, Type: urn.Type(), ID: "1",
			OldInputs: resource.NewPropertyMapFromMap(old), NewInputs: resource.NewPropertyMapFromMap(changed),
		})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	triggers := func(value any, more map[string]any) map[string]any {
		inputs := map[string]any{"triggers": []any{value}}
		for key, value := range more {
			inputs[key] = value
		}
		return inputs
	}
	if !diff(triggers("1", nil), triggers("2", nil)).Replace() {
		t.Error("changed triggers do not replace")
	}
	updates := map[string]any{"update": "true"}
	if result := diff(triggers("1", updates), triggers("2", updates)); result.Replace() || result.Changes != plugin.DiffSome {
		t.Errorf("with an update command: %v", result)
	}
	if result := diff(map[string]any{"create": "a"}, map[string]any{"create": "b"}); result.Replace() || result.Changes != plugin.DiffSome {
		t.Errorf("a changed create command: %v", result)
	}
	pinned := func(key string) map[string]any {
		return map[string]any{"create": "a", "connection": map[string]any{"host": "h", "hostKey": key}}
	}
	if result := diff(pinned("ssh-ed25519 A"), pinned("ssh-ed25519 B")); result.Replace() || result.Changes != plugin.DiffSome {
		t.Errorf("a changed connection: %v", result)
	}
}

func TestCheckFillsTheConnection(t *testing.T) {
	provider, err := standin.New(Package(), nil)
	if err != nil {
		t.Fatal(err)
	}
	urn := resource.NewURN("dev", "p", "", "command:remote:Command", "run")
	checked, err := provider.Check(t.Context(), plugin.CheckRequest{
		URN: urn, Name: "run", Type: urn.Type(),
		News: resource.NewPropertyMapFromMap(map[string]any{"connection": map[string]any{"host": "h", "privateKey": "k"}}),
	})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatal(checked.Failures, err)
	}
	if !checked.Properties["connection"].IsSecret() {
		t.Error("the connection is not secret")
	}
	got := fmt.Sprint(standin.Plain(checked.Properties["connection"]).Mappable())
	if want := "map[dialErrorLimit:10 host:h perDialTimeout:15 port:22 privateKey:k user:root]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatNobodyRegistersIsRefused(t *testing.T) {
	provider, err := standin.New(Package(), nil)
	if err != nil {
		t.Fatal(err)
	}
	urn := resource.NewURN("dev", "p", "", "command:remote:Command", "run")
	checked, err := provider.Check(t.Context(), plugin.CheckRequest{
		URN: urn, Name: "run", Type: urn.Type(),
		News: resource.NewPropertyMapFromMap(map[string]any{
			"environment": map[string]any{"A": "b"},
			"connection":  map[string]any{"host": "h", "proxy": map[string]any{"host": "p", "password": "p"}},
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(checked.Failures)
	for _, want := range []string{"environment", "connection.proxy.password"} {
		if !strings.Contains(got, want+": the lab's stand-in") && !strings.Contains(got, "{"+want+" the lab's stand-in") {
			t.Errorf("got %s, want %q in it", got, want)
		}
	}
}
