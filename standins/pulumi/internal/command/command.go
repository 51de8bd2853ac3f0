// Package command performs `command:remote:Command` for the lab: it runs commands on machines by SSH as the official
// provider does. It does not own retries of commands, only of connecting.
package command

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"golang.org/x/crypto/ssh"

	"auto-devops/standins/pulumi/internal/standin"
)

//go:embed schema.json
var schema []byte

// Package is the provider.
func Package() *standin.Package {
	return &standin.Package{
		Version: "1.2.1",
		Schema:  schema,
		Resources: map[string]*standin.Resource{
			"command:remote:Command": {
				Performed:       performed,
				Shown:           shown,
				ChangedByUpdate: []string{"stdout", "stderr"},
				Diff:            diffTriggers,
				Create:          create,
				Update:          update,
				Delete:          remove,
			},
		},
	}
}

// performed are the inputs that the program and the conformance suite register.
var performed = slices.Concat(
	strings.Fields("addPreviousOutputInEnv create delete logging stdin triggers update"),
	endpoint("connection."), endpoint("connection.proxy."),
)

func endpoint(prefix string) []string {
	names := strings.Fields("dialErrorLimit host hostKey perDialTimeout port privateKey privateKeyPassword user")
	for i, name := range names {
		names[i] = prefix + name
	}
	return names
}

// shown is what tells which machine an error is about; the schema makes the whole connection secret.
var shown = []string{
	"connection.host", "connection.user", "connection.hostKey",
	"connection.proxy.host", "connection.proxy.user", "connection.proxy.hostKey",
}

// Command is the resource's inputs.
type Command struct {
	Connection             Connection `json:"connection"`
	Create                 *string    `json:"create"`
	Update                 *string    `json:"update"`
	Delete                 *string    `json:"delete"`
	Stdin                  string     `json:"stdin"`
	Logging                string     `json:"logging"`
	AddPreviousOutputInEnv *bool      `json:"addPreviousOutputInEnv"`
}

// outputs of the last command that ran.
type outputs struct {
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// diffTriggers: changed triggers ask for a new resource, unless there is an update command, which then runs.
func diffTriggers(call *standin.Call, diff *plugin.DiffResult) error {
	if update, given := call.Inputs["update"]; !given || !update.HasValue() {
		return nil
	}
	for path, change := range diff.DetailedDiff {
		if path == "triggers" || strings.HasPrefix(path, "triggers[") {
			switch change.Kind {
			case plugin.DiffAddReplace:
				change.Kind = plugin.DiffAdd
			case plugin.DiffDeleteReplace:
				change.Kind = plugin.DiffDelete
			case plugin.DiffUpdateReplace:
				change.Kind = plugin.DiffUpdate
			}
			diff.DetailedDiff[path] = change
		}
	}
	return nil
}

func create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	id, err := resource.NewUniqueHex(call.URN.Name(), 8, 0)
	if err != nil {
		return "", nil, fmt.Errorf("cannot make an id: %w", err)
	}
	var command Command
	if err := standin.Decode(call.Inputs, &command); err != nil {
		return "", nil, err
	}
	result := outputs{}
	if command.Create != nil {
		if result, err = command.run(ctx, call, *command.Create, outputs{}); err != nil {
			return "", nil, err
		}
	}
	found, err := standin.Encode(result)
	return id, found, err
}

func update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	var command Command
	if err := standin.Decode(call.Inputs, &command); err != nil {
		return nil, err
	}
	var previous outputs
	if err := standin.Decode(call.Outputs, &previous); err != nil {
		return nil, err
	}
	line := command.Update
	if line == nil {
		line = command.Create
	}
	if line == nil {
		return standin.Encode(previous)
	}
	result, err := command.run(ctx, call, *line, previous)
	if err != nil {
		return nil, err
	}
	return standin.Encode(result)
}

func remove(ctx context.Context, call *standin.Call) error {
	var command Command
	if err := standin.Decode(call.Inputs, &command); err != nil {
		return err
	}
	if command.Delete == nil {
		return nil
	}
	var previous outputs
	if err := standin.Decode(call.Outputs, &previous); err != nil {
		return err
	}
	_, err := command.run(ctx, call, *command.Delete, previous)
	return err
}

// run runs one command line on the machine, showing its output as it comes.
func (c *Command) run(ctx context.Context, call *standin.Call, line string, previous outputs) (outputs, error) {
	client, disconnect, err := c.Connection.connect(ctx, call)
	if err != nil {
		return outputs{}, err
	}
	defer disconnect()
	session, err := client.NewSession()
	if err != nil {
		return outputs{}, fmt.Errorf("cannot open a session on %s: %w", c.Connection.address(), err)
	}
	defer func() { _ = session.Close() }()
	// The session has no context. Closing alone would leave the command running on the machine, so it is told to end
	// first; OpenSSH passes that on for every user but root.
	stop := context.AfterFunc(ctx, func() {
		_ = session.Signal(ssh.SIGTERM)
		_ = client.Close()
	})
	defer stop()
	c.passOn(ctx, call, session, previous)
	if c.Stdin != "" {
		session.Stdin = strings.NewReader(c.Stdin)
	}

	var stdout, stderr bytes.Buffer
	both := &lockedBuffer{}
	shown := &lineWriter{show: func(text string) { call.Info(ctx, text) }}
	session.Stdout = c.writer(&stdout, both, shown, "stdout")
	session.Stderr = c.writer(&stderr, both, shown, "stderr")
	err = session.Run(line)
	shown.flush()
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return outputs{}, fmt.Errorf("%s: %w: running %q:\n%s", c.Connection.Host, err, line, both.String())
	}
	return outputs{
		Stdout: strings.TrimSuffix(stdout.String(), "\n"),
		Stderr: strings.TrimSuffix(stderr.String(), "\n"),
	}, nil
}

func (c *Command) writer(own io.Writer, both, shown io.Writer, stream string) io.Writer {
	if c.Logging == "" || c.Logging == "stdoutAndStderr" || c.Logging == stream {
		return io.MultiWriter(own, both, shown)
	}
	return io.MultiWriter(own, both)
}

// passOn gives a command what the one before it printed, in its environment.
func (c *Command) passOn(ctx context.Context, call *standin.Call, session *ssh.Session, previous outputs) {
	if c.AddPreviousOutputInEnv != nil && !*c.AddPreviousOutputInEnv {
		return
	}
	injected := []struct{ name, value string }{
		{"PULUMI_COMMAND_STDOUT", previous.Stdout}, {"PULUMI_COMMAND_STDERR", previous.Stderr},
	}
	for _, variable := range injected {
		if variable.value == "" {
			continue
		}
		// Nobody asked for these by name, so a server that refuses them is a warning only, as upstream.
		if err := session.Setenv(variable.name, variable.value); err != nil {
			call.Warn(ctx, fmt.Sprintf("cannot set %s on %s: %v: the machine's sshd takes only the variables that AcceptEnv in "+
				"sshd_config names (or set addPreviousOutputInEnv to false)", variable.name, c.Connection.Host, err))
		}
	}
}

// lockedBuffer takes both output streams, which are written at the same time.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

// lineWriter shows whole lines.
type lineWriter struct {
	mutex sync.Mutex
	rest  []byte
	show  func(line string)
}

func (w *lineWriter) Write(text []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.rest = append(w.rest, text...)
	for {
		end := bytes.IndexByte(w.rest, '\n')
		if end < 0 {
			return len(text), nil
		}
		w.show(strings.TrimSuffix(string(w.rest[:end]), "\r"))
		w.rest = w.rest[end+1:]
	}
}

func (w *lineWriter) flush() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if len(w.rest) > 0 {
		w.show(string(w.rest))
		w.rest = nil
	}
}
