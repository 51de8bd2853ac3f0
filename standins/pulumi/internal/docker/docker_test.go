package docker

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"auto-devops/standins/pulumi/internal/standin"
)

// fakeEngine answers Docker's API with what a test says, and keeps what was asked. The lab's tests have the real engine; here it
// is the shape of the requests and the failures that matter.
type fakeEngine struct {
	t       *testing.T
	host    string
	mutex   sync.Mutex
	asked   []string
	bodies  map[string]map[string]any
	uploads []byte
	// answers by "METHOD /path" without the version; a list is given out in order, its last element stays.
	answers map[string][]answer
}

type answer struct {
	status int
	body   any
}

var digest = "sha256:" + strings.Repeat("a", 64)

var version = regexp.MustCompile(`^/v1\.\d+`)

func newEngine(t *testing.T) *fakeEngine {
	t.Helper()
	f := &fakeEngine{t: t, bodies: map[string]map[string]any{}, answers: map[string][]answer{}}
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(f)
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	f.host = "unix://" + socket
	f.on("GET /images/app:1/json", 200, map[string]any{"Id": "sha256:app", "RepoDigests": []string{"other@" + digest, "app@" + digest}})
	f.on("POST /containers/create", 201, map[string]any{"Id": "c1"})
	f.on("GET /containers/c1/json", 200, running(nil))
	for _, path := range []string{"POST /containers/c1/start", "POST /networks/bridge/disconnect", "POST /networks/net/connect"} {
		f.on(path, 204, nil)
	}
	f.on("PUT /containers/c1/archive", 200, nil)
	f.on("POST /containers/c1/update", 200, map[string]any{})
	f.on("GET /containers/c1/logs", 200, frames("last words\n"))
	f.on("DELETE /containers/c1", 204, nil)
	f.on("POST /containers/c1/wait", 200, map[string]any{"StatusCode": 0})
	return f
}

// frames is text in the engine's multiplexed format, on standard error.
func frames(text string) string {
	return string([]byte{2, 0, 0, 0, 0, 0, 0, byte(len(text))}) + text
}

func running(change map[string]any) map[string]any {
	state := map[string]any{"Status": "running", "Running": true}
	for key, value := range change {
		state[key] = value
	}
	return map[string]any{
		"Id": "c1", "Name": "/app", "Image": "sha256:app", "Platform": "linux", "State": state,
		"Config": map[string]any{"Hostname": "c1", "Cmd": []string{"serve"}, "Entrypoint": []string{"/app"}, "StopSignal": "SIGTERM"},
		"HostConfig": map[string]any{
			"RestartPolicy": map[string]any{"Name": "no"}, "LogConfig": map[string]any{"Type": "json-file"},
			"Runtime": "runc", "IpcMode": "private", "ShmSize": 64 * mebibyte, "Memory": 128 * mebibyte, "MemorySwap": -1,
		},
		"NetworkSettings": map[string]any{
			"Ports":    map[string]any{"80/tcp": []any{map[string]any{"HostIp": "0.0.0.0", "HostPort": "49153"}}},
			"Networks": map[string]any{"net": map[string]any{"IPAddress": "172.20.0.2", "IPPrefixLen": 16, "Gateway": "172.20.0.1"}},
		},
	}
}

func (f *fakeEngine) on(request string, status int, body any) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.answers[request] = []answer{{status, body}}
}

func (f *fakeEngine) then(request string, status int, body any) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.answers[request] = append(f.answers[request], answer{status, body})
}

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if r.URL.Path == "/_ping" {
		// What bookworm's docker.io 20.10 says.
		w.Header().Set("Api-Version", "1.41")
		return
	}
	if !strings.HasPrefix(r.URL.Path, "/v1.41/") {
		f.t.Errorf("the API version was not negotiated: %s", r.URL.Path)
	}
	key := r.Method + " " + version.ReplaceAllString(r.URL.Path, "")
	f.asked = append(f.asked, key+query(r))
	body, _ := io.ReadAll(r.Body)
	if strings.HasSuffix(key, "/archive") {
		f.uploads = body
	} else {
		var decoded map[string]any
		_ = json.Unmarshal(body, &decoded)
		f.bodies[key] = decoded
	}
	answers := f.answers[key]
	if len(answers) == 0 {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"message": "no such thing: %s"}`, key)
		return
	}
	if len(answers) > 1 {
		f.answers[key] = answers[1:]
	}
	if text, ok := answers[0].body.(string); ok {
		w.WriteHeader(answers[0].status)
		_, _ = io.WriteString(w, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answers[0].status)
	if answers[0].body != nil {
		_ = json.NewEncoder(w).Encode(answers[0].body)
	}
}

func query(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return ""
	}
	return "?" + r.URL.RawQuery
}

func (f *fakeEngine) all() string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return strings.Join(f.asked, "\n")
}

// stack is a provider on the fake engine, and what it showed.
type stack struct {
	t        *testing.T
	pkg      *standin.Package
	provider *standin.Provider
	shown    *[]string
}

func newStack(t *testing.T, config map[string]any) stack {
	t.Helper()
	pkg := Package()
	provider, err := standin.New(pkg, nil)
	if err != nil {
		t.Fatal(err)
	}
	properties := resource.NewPropertyMapFromMap(config)
	checked, err := provider.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: properties})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatal(checked.Failures, err)
	}
	if _, err := provider.Configure(t.Context(), plugin.ConfigureRequest{Inputs: properties}); err != nil {
		t.Fatal(err)
	}
	return stack{t, pkg, provider, &[]string{}}
}

const (
	containerToken = "docker:index/container:Container"
	imageToken     = "docker:index/remoteImage:RemoteImage"
	networkToken   = "docker:index/network:Network"
	volumeToken    = "docker:index/volume:Volume"
)

func (s stack) urn(token tokens.Type) resource.URN {
	return resource.NewURN("dev", "p", "", token, "app")
}

func (s stack) check(token tokens.Type, values map[string]any) (resource.PropertyMap, []plugin.CheckFailure) {
	s.t.Helper()
	checked, err := s.provider.Check(s.t.Context(), plugin.CheckRequest{
		URN: s.urn(token), Name: "app", Type: token, News: resource.NewPropertyMapFromMap(values),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return checked.Properties, checked.Failures
}

func (s stack) create(token tokens.Type, values map[string]any) (plugin.CreateResponse, error) {
	s.t.Helper()
	inputs, failures := s.check(token, values)
	if len(failures) > 0 {
		s.t.Fatal(failures)
	}
	return s.provider.Create(s.t.Context(), plugin.CreateRequest{URN: s.urn(token), Type: token, Properties: inputs})
}

func (s stack) mustCreate(token tokens.Type, values map[string]any) plugin.CreateResponse {
	s.t.Helper()
	created, err := s.create(token, values)
	if err != nil {
		s.t.Fatal(err)
	}
	return created
}

// call is for what the resource shows, which the provider sends to an engine of Pulumi's.
func (s stack) call(id string, inputs map[string]any, outputs map[string]any) *standin.Call {
	return &standin.Call{
		URN: s.urn(containerToken), ID: id, Inputs: resource.NewPropertyMapFromMap(inputs),
		OldInputs: resource.NewPropertyMapFromMap(inputs), Outputs: resource.NewPropertyMapFromMap(outputs),
		Log: func(_ context.Context, severity diag.Severity, message string, _ bool) {
			*s.shown = append(*s.shown, string(severity)+": "+message)
		},
	}
}

func want(t *testing.T, got any, path string, expected any) {
	t.Helper()
	for _, step := range strings.Split(path, "/") {
		object, ok := got.(map[string]any)
		if !ok {
			t.Errorf("%s: nothing at %s", path, step)
			return
		}
		got = object[strings.ReplaceAll(step, "|", "/")]
	}
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(expected)
	if string(gotText) != string(wantText) {
		t.Errorf("%s: got %s, want %s", path, gotText, wantText)
	}
}

func TestContainerRequests(t *testing.T) {
	engine := newEngine(t)
	s := newStack(t, map[string]any{"host": engine.host})
	created := s.mustCreate(containerToken, map[string]any{
		"image": "app:1", "name": "app", "envs": []any{"A=1"}, "hostname": "h", "stopTimeout": 7, "restart": "always", "shmSize": 32,
		"ports": []any{map[string]any{"internal": 443, "external": 8443}},
		"volumes": []any{
			map[string]any{"volumeName": "data", "containerPath": "/data"}, map[string]any{"hostPath": "/etc/x", "containerPath": "/x"},
		},
		"networksAdvanced": []any{map[string]any{"name": "net", "aliases": []any{"registry"}}},
		"healthcheck":      map[string]any{"tests": []any{"CMD", "true"}, "interval": "10s", "retries": 2},
		"logDriver":        "json-file", "logOpts": map[string]any{"max-size": "1m"}, "dns": []any{"10.0.0.53"},
	})
	config := engine.bodies["POST /containers/create"]
	host := config["HostConfig"]
	for path, expected := range map[string]any{
		"Image": "app:1", "Env": []string{"A=1"}, "Hostname": "h", "StopTimeout": 7,
		"Healthcheck/Test": []string{"CMD", "true"}, "Healthcheck/Interval": 10e9, "Healthcheck/Retries": 2,
		"ExposedPorts": map[string]any{"443/tcp": struct{}{}},
	} {
		want(t, config, path, expected)
	}
	for path, expected := range map[string]any{
		"Binds":                []string{"data:/data:rw", "/etc/x:/x:rw"},
		"PortBindings/443|tcp": []any{map[string]any{"HostIp": "", "HostPort": "8443"}},
		"RestartPolicy":        map[string]any{"MaximumRetryCount": 0, "Name": "always"},
		"LogConfig":            map[string]any{"Config": map[string]any{"max-size": "1m"}, "Type": "json-file"},
		"Dns":                  []string{"10.0.0.53"}, "ShmSize": 32 * mebibyte, "NetworkMode": "bridge",
	} {
		want(t, host, path, expected)
	}
	connected := engine.bodies["POST /networks/net/connect"]
	want(t, connected, "Container", "c1")
	want(t, connected, "EndpointConfig/Aliases", []string{"registry"})
	order := engine.all()
	if !regexp.MustCompile(`(?s)create\?name=app.*bridge/disconnect.*net/connect.*c1/start`).MatchString(order) {
		t.Errorf("got requests\n%s", order)
	}
	outputs := created.Properties
	if created.ID != "c1" || outputs["stopTimeout"].NumberValue() != 7 || outputs["platform"].StringValue() != "linux" {
		t.Errorf("got %s, %v", created.ID, outputs)
	}
	address := outputs["networkDatas"].ArrayValue()[0].ObjectValue()["ipAddress"]
	if address.StringValue() != "172.20.0.2" {
		t.Errorf("got address %v", address)
	}
}

func TestUploads(t *testing.T) {
	engine := newEngine(t)
	s := newStack(t, map[string]any{"host": engine.host})
	s.mustCreate(containerToken, map[string]any{
		"image": "app:1", "uploads": []any{
			map[string]any{"file": "/etc/a.conf", "content": "text", "permissions": "0600"},
			map[string]any{"file": "/plain", "content": "p"},
		},
	})
	reader := tar.NewReader(strings.NewReader(string(engine.uploads)))
	var got []string
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(reader)
		got = append(got, fmt.Sprintf("%s %o %q", header.Name, header.Mode, content))
	}
	if text := strings.Join(got, "; "); text != `etc/a.conf 600 "text"; plain 644 "p"` {
		t.Errorf("got %s", text)
	}
}

func TestFailedContainerIsRemovedAndExplained(t *testing.T) {
	cases := map[string]struct {
		prepare func(*fakeEngine)
		inputs  map[string]any
		want    []string
	}{
		"ends at once": {func(f *fakeEngine) {
			f.on("GET /containers/c1/json", 200, running(map[string]any{"Running": false, "Status": "exited", "ExitCode": 3}))
		}, nil, []string{"exit status 3", "last words"}},
		"does not start": {func(f *fakeEngine) {
			f.on("POST /containers/c1/start", 500, map[string]any{"message": "port is already allocated"})
		}, nil, []string{"cannot start container own", "port is already allocated"}},
		"no such network": {func(f *fakeEngine) {}, map[string]any{
			"networksAdvanced": []any{map[string]any{"name": "gone"}},
		}, []string{"network gone", "no such thing"}},
		"never healthy": {func(f *fakeEngine) {
			health := map[string]any{"Status": "unhealthy", "Log": []any{map[string]any{"ExitCode": 1, "Output": "connection refused\n"}}}
			f.on("GET /containers/c1/json", 200, running(map[string]any{"Health": health}))
		}, map[string]any{"wait": true, "waitTimeout": 1}, []string{"not healthy within 1s", "connection refused", "last words"}},
		"nothing to wait for": {func(f *fakeEngine) {}, map[string]any{"wait": true}, []string{"has no health check"}},
		"upload": {func(f *fakeEngine) {
			f.on("PUT /containers/c1/archive", 500, map[string]any{"message": "no space left"})
		}, map[string]any{"uploads": []any{map[string]any{"file": "/x", "content": "a"}}}, []string{"cannot upload", "no space left"}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			engine := newEngine(t)
			test.prepare(engine)
			inputs := map[string]any{"image": "app:1", "name": "own"}
			for key, value := range test.inputs {
				inputs[key] = value
			}
			_, err := newStack(t, map[string]any{"host": engine.host}).create(containerToken, inputs)
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %q in it", err, part)
				}
			}
			if !strings.Contains(engine.all(), "DELETE /containers/c1?force=1&v=1") {
				t.Errorf("the container was left:\n%s", engine.all())
			}
		})
	}
}

func TestTakenNameIsExplained(t *testing.T) {
	engine := newEngine(t)
	engine.on("POST /containers/create", 409, map[string]any{"message": "Conflict. The container name is in use"})
	_, err := newStack(t, map[string]any{"host": engine.host}).create(containerToken, map[string]any{"image": "app:1", "name": "own"})
	if err == nil || !strings.Contains(err.Error(), "docker rm -f own") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(engine.all(), "DELETE") {
		t.Errorf("somebody else's container was removed:\n%s", engine.all())
	}
}

func TestWaitEndsWhenHealthy(t *testing.T) {
	engine := newEngine(t)
	health := func(status string) map[string]any {
		return running(map[string]any{"Health": map[string]any{"Status": status}})
	}
	engine.on("GET /containers/c1/json", 200, health("starting"))
	engine.then("GET /containers/c1/json", 200, health("starting"))
	engine.then("GET /containers/c1/json", 200, health("healthy"))
	newStack(t, map[string]any{"host": engine.host}).mustCreate(containerToken, map[string]any{"image": "app:1", "wait": true})
}

func TestReadContainer(t *testing.T) {
	engine := newEngine(t)
	s := newStack(t, map[string]any{"host": engine.host})
	created := s.mustCreate(containerToken, map[string]any{"image": "app:1", "name": "own", "restart": "always"})
	inputs, _ := s.check(containerToken, map[string]any{"image": "app:1", "name": "own", "restart": "always"})
	read := func() plugin.ReadResponse {
		response, err := s.provider.Read(t.Context(), plugin.ReadRequest{
			URN: s.urn(containerToken), Type: containerToken, ID: created.ID, Inputs: inputs, State: created.Properties,
		})
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	// The engine says restart policy "no": it was changed there.
	if got := read().Inputs; got["restart"].StringValue() != "no" {
		t.Errorf("got %v", got)
	}
	engine.on("GET /containers/c1/json", 200, running(map[string]any{"Running": false, "Status": "exited"}))
	if got := read(); got.ID != "" || !strings.Contains(engine.all(), "DELETE /containers/c1") {
		t.Errorf("a container that must run and does not: got %q\n%s", got.ID, engine.all())
	}
	engine.on("GET /containers/c1/json", 404, map[string]any{"message": "No such container"})
	if got := read(); got.ID != "" {
		t.Errorf("a container that is gone: got %q", got.ID)
	}
}

func TestUpdateContainer(t *testing.T) {
	engine := newEngine(t)
	s := newStack(t, map[string]any{"host": engine.host})
	performed := s.pkg.Resources[containerToken]
	call := s.call("c1", map[string]any{"name": "own", "image": "app:1"}, nil)
	call.Inputs["healthcheck"] = resource.NewProperty(resource.PropertyMap{})
	call.Inputs["restart"] = resource.NewProperty("always")
	if _, err := performed.Update(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	body := engine.bodies["POST /containers/c1/update"]
	want(t, body, "RestartPolicy/Name", "always")
	if shown := strings.Join(*s.shown, "\n"); !strings.Contains(shown, "healthcheck changed, but an existing container keeps") {
		t.Errorf("shown: %s", shown)
	}
	// What only says how this provider treats the container does not reach the engine.
	before := engine.all()
	call = s.call("c1", map[string]any{"name": "own", "image": "app:1"}, nil)
	call.Inputs["destroyGraceSeconds"] = resource.NewProperty(3.0)
	if _, err := performed.Update(t.Context(), call); err != nil || strings.Count(engine.all(), "/update") != strings.Count(before, "/update") {
		t.Errorf("got %v\n%s", err, engine.all())
	}
}

func TestRemoveContainer(t *testing.T) {
	engine := newEngine(t)
	engine.on("POST /containers/c1/stop", 204, nil)
	s := newStack(t, map[string]any{"host": engine.host})
	remove := s.pkg.Resources[containerToken].Delete
	if err := remove(t.Context(), s.call("c1", map[string]any{"destroyGraceSeconds": 4}, nil)); err != nil {
		t.Fatal(err)
	}
	if asked := engine.all(); !strings.Contains(asked, "stop?t=4") || !strings.Contains(asked, "DELETE /containers/c1?force=1&v=1") {
		t.Errorf("got\n%s", asked)
	}
	if err := remove(t.Context(), s.call("gone", map[string]any{"destroyGraceSeconds": 4}, nil)); err != nil {
		t.Errorf("a container that is gone already: %v", err)
	}
	if err := remove(t.Context(), s.call("gone", nil, nil)); err != nil {
		t.Errorf("a container that is gone already: %v", err)
	}
}

func TestContainerChecks(t *testing.T) {
	s := newStack(t, map[string]any{"host": "unix:///nowhere"})
	for name, test := range map[string]struct {
		inputs map[string]any
		want   string
	}{
		"open port":    {map[string]any{"ports": []any{map[string]any{"internal": 80}}}, "leaves no port to the engine"},
		"nameless":     {map[string]any{"volumes": []any{map[string]any{"containerPath": "/x"}}}, "hostPath or volumeName"},
		"gpus":         {map[string]any{"gpus": "all"}, "does not perform"},
		"restart":      {map[string]any{"restart": "sometimes"}, "no, on-failure, always, unless-stopped"},
		"healthcheck":  {map[string]any{"healthcheck": map[string]any{"tests": []any{"x"}, "interval": "ten"}}, `got "ten"`},
		"permissions":  {map[string]any{"uploads": []any{map[string]any{"file": "f", "content": "c", "permissions": "644"}}}, "0644"},
		"nested":       {map[string]any{"networksAdvanced": []any{map[string]any{"name": "n", "gwPriority": 1}}}, "does not perform"},
		"unknown":      {map[string]any{"port": []any{}}, "did you mean ports?"},
		"wrong nested": {map[string]any{"ports": []any{map[string]any{"internal": "80"}}}, "expected integer"},
	} {
		test.inputs["image"] = "app:1"
		_, failures := s.check(containerToken, test.inputs)
		if len(failures) != 1 || !strings.Contains(failures[0].Reason, test.want) {
			t.Errorf("%s: got %v, want %q", name, failures, test.want)
		}
	}
}

func TestImage(t *testing.T) {
	engine := newEngine(t)
	s := newStack(t, map[string]any{"host": engine.host})
	created := s.mustCreate(imageToken, map[string]any{"name": "app:1"})
	if created.ID != "sha256:appapp:1" || created.Properties["imageId"].StringValue() != "sha256:app" ||
		created.Properties["repoDigest"].StringValue() != "app@"+digest {
		t.Errorf("got %s, %v", created.ID, created.Properties)
	}
	if strings.Contains(engine.all(), "/images/create") {
		t.Error("an image that is there was pulled")
	}
	name := "reg.test:5000/team/app:2"
	engine.on("GET /images/"+name+"/json", 404, map[string]any{"message": "no such image"})
	engine.then("GET /images/"+name+"/json", 200, map[string]any{"Id": "sha256:two"})
	engine.on("POST /images/create", 200, `{"status":"Pulling"}{"status":"Pull complete","id":"abc"}`)
	if created = s.mustCreate(imageToken, map[string]any{"name": name}); created.Properties["imageId"].StringValue() != "sha256:two" {
		t.Errorf("got %v", created.Properties)
	}
	engine.on("POST /images/create", 200, `{"status":"Pulling"}{"error":"manifest unknown"}`)
	engine.on("GET /images/app:9/json", 404, map[string]any{"message": "no such image"})
	if _, err := s.create(imageToken, map[string]any{"name": "app:9"}); err == nil || !strings.Contains(err.Error(), "cannot pull app:9: manifest unknown") {
		t.Errorf("got %v", err)
	}
}

func TestRemoveImage(t *testing.T) {
	engine := newEngine(t)
	s := newStack(t, map[string]any{"host": engine.host})
	remove := s.pkg.Resources[imageToken].Delete
	if err := remove(t.Context(), s.call("", map[string]any{"name": "app:1", "keepLocally": true}, nil)); err != nil || engine.all() != "" {
		t.Errorf("keepLocally: %v\n%s", err, engine.all())
	}
	if err := remove(t.Context(), s.call("", map[string]any{"name": "gone:1"}, nil)); err != nil {
		t.Errorf("an image that is gone already: %v", err)
	}
	engine.on("DELETE /images/app:1", 409, map[string]any{"message": "container is using it"})
	if err := remove(t.Context(), s.call("", map[string]any{"name": "app:1"}, nil)); err == nil || !strings.Contains(err.Error(), "keepLocally") {
		t.Errorf("got %v", err)
	}
}

func TestNetwork(t *testing.T) {
	engine := newEngine(t)
	engine.on("POST /networks/create", 201, map[string]any{"Id": "n1"})
	engine.on("GET /networks/n1", 200, map[string]any{
		"Id": "n1", "Name": "net", "Driver": "bridge", "Scope": "local", "Options": map[string]any{},
		"IPAM": map[string]any{"Config": []any{map[string]any{"Subnet": "172.20.0.0/16", "Gateway": "172.20.0.1"}}},
	})
	s := newStack(t, map[string]any{"host": engine.host})
	created := s.mustCreate(networkToken, map[string]any{"name": "net"})
	body := engine.bodies["POST /networks/create"]
	want(t, body, "Name", "net")
	want(t, body, "CheckDuplicate", true)
	subnet := created.Properties["ipamConfigs"].ArrayValue()[0].ObjectValue()["subnet"].StringValue()
	if created.ID != "n1" || created.Properties["driver"].StringValue() != "bridge" || subnet != "172.20.0.0/16" {
		t.Errorf("got %s, %v", created.ID, created.Properties)
	}
	engine.on("POST /networks/create", 409, map[string]any{"message": "network with name net already exists"})
	if _, err := s.create(networkToken, map[string]any{"name": "net"}); err == nil || !strings.Contains(err.Error(), "docker network rm net") {
		t.Errorf("got %v", err)
	}
	// What still uses the network may be on its way out.
	remove := s.pkg.Resources[networkToken].Delete
	engine.on("DELETE /networks/n1", 403, map[string]any{"message": "network net id n1 has active endpoints"})
	engine.then("DELETE /networks/n1", 204, nil)
	if err := remove(t.Context(), s.call("n1", nil, nil)); err != nil {
		t.Error(err)
	}
	if err := remove(t.Context(), s.call("gone", nil, nil)); err != nil {
		t.Errorf("a network that is gone already: %v", err)
	}
}

func TestVolume(t *testing.T) {
	engine := newEngine(t)
	engine.on("POST /volumes/create", 201, map[string]any{"Name": "data", "Driver": "local", "Mountpoint": "/var/lib/docker/volumes/data/_data"})
	s := newStack(t, map[string]any{"host": engine.host})
	created := s.mustCreate(volumeToken, map[string]any{"name": "data"})
	want(t, engine.bodies["POST /volumes/create"], "Name", "data")
	if created.ID != "data" || created.Properties["driver"].StringValue() != "local" || !created.Properties.HasValue("mountpoint") {
		t.Errorf("got %s, %v", created.ID, created.Properties)
	}
	engine.on("DELETE /volumes/data", 409, map[string]any{"message": "volume is in use"})
	engine.then("DELETE /volumes/data", 204, nil)
	remove := s.pkg.Resources[volumeToken].Delete
	if err := remove(t.Context(), s.call("data", nil, nil)); err != nil {
		t.Error(err)
	}
	if err := remove(t.Context(), s.call("gone", nil, nil)); err != nil {
		t.Errorf("a volume that is gone already: %v", err)
	}
}

func TestConfiguration(t *testing.T) {
	provider, err := standin.New(Package(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config map[string]any
		want   string
	}{
		"ssh":         {map[string]any{"host": "ssh://a"}, "tcp:// and unix:// only"},
		"half a pair": {map[string]any{"certMaterial": "c"}, "belong together"},
		"context":     {map[string]any{"context": "c"}, "does not perform"},
		"logins":      {map[string]any{"registryAuth": `[{"address": "a"}]`}, "does not perform"},
	} {
		checked, err := provider.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: resource.NewPropertyMapFromMap(test.config)})
		if err != nil || len(checked.Failures) != 1 || !strings.Contains(checked.Failures[0].Reason, test.want) {
			t.Errorf("%s: got %v, %v, want %q", name, checked.Failures, err, test.want)
		}
	}
}

func TestConfigureTouchesNoNetworkAndAFailureSaysWhatToCheck(t *testing.T) {
	// newStack configures: nothing listens at this address.
	s := newStack(t, map[string]any{"host": "tcp://127.0.0.1:1"})
	_, err := s.create(volumeToken, map[string]any{"name": "data"})
	for _, part := range []string{"cannot reach the Docker engine at tcp://127.0.0.1:1", "docker service"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v, want %q in it", err, part)
		}
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		_, _ = io.WriteString(w, `{"Name": "data"}`)
	}))
	t.Cleanup(server.Close)
	host := "tcp://" + server.Listener.Addr().String()
	ca := pemOf(server.Certificate().Raw)
	created := newStack(t, map[string]any{"host": host, "caMaterial": ca}).mustCreate(volumeToken, map[string]any{"name": "data"})
	if created.ID != "data" {
		t.Errorf("got %v", created)
	}
	_, err := newStack(t, map[string]any{"host": host, "caMaterial": "no certificate"}).create(volumeToken, map[string]any{"name": "data"})
	if err == nil || !strings.Contains(err.Error(), "caMaterial") {
		t.Errorf("got %v", err)
	}
	// A plain client at an engine that speaks TLS.
	if _, err := newStack(t, map[string]any{"host": host}).create(volumeToken, map[string]any{"name": "data"}); err == nil {
		t.Error("a plain client was let in")
	}
}

func pemOf(der []byte) string {
	return "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(der) + "\n-----END CERTIFICATE-----\n"
}
