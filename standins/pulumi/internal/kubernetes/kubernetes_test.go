package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/status"
)

// api is a small API server: discovery of a few kinds, objects by path, server-side apply that stores what it is sent. Uids
// and statuses are its own; `refuse` answers a path with an error.
type api struct {
	*httptest.Server
	mutex    sync.Mutex
	objects  map[string]map[string]any
	statuses map[string]map[string]any
	refuse   map[string]map[string]any
	calls    []string
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{
		objects: map[string]map[string]any{}, statuses: map[string]map[string]any{}, refuse: map[string]map[string]any{},
	}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) kubeconfig() string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[{"name":"c","context":{"cluster":"k","user":"u"}}],
"clusters":[{"name":"k","cluster":{"server":%q}}],"users":[{"name":"u","user":{"token":"t"}}]}`, a.URL)
}

var discoveries = map[string]any{
	"/version": map[string]any{"gitVersion": "v1.36.3"},
	"/api":     map[string]any{"kind": "APIVersions", "versions": []string{"v1"}},
	"/apis": map[string]any{"kind": "APIGroupList", "groups": []any{
		map[string]any{"name": "rbac.authorization.k8s.io", "versions": []any{
			map[string]any{"groupVersion": "rbac.authorization.k8s.io/v1", "version": "v1"},
		}},
	}},
	"/api/v1": resourceList("v1", "configmaps:ConfigMap:true", "secrets:Secret:true", "namespaces:Namespace:false",
		"persistentvolumeclaims:PersistentVolumeClaim:true"),
	"/apis/rbac.authorization.k8s.io/v1": resourceList("rbac.authorization.k8s.io/v1", "roles:Role:true", "rolebindings:RoleBinding:true"),
}

func resourceList(version string, kinds ...string) map[string]any {
	var resources []any
	for _, kind := range kinds {
		parts := strings.Split(kind, ":")
		resources = append(resources, map[string]any{
			"name": parts[0], "kind": parts[1], "namespaced": parts[2] == "true", "verbs": []string{"get", "patch", "delete"},
		})
	}
	return map[string]any{"kind": "APIResourceList", "groupVersion": version, "resources": resources}
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	answer := func(code int, value any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(value)
	}
	if found, ok := discoveries[r.URL.Path]; ok {
		answer(http.StatusOK, found)
		return
	}
	a.calls = append(a.calls, r.Method+" "+r.URL.RequestURI())
	if refused, ok := a.refuse[r.Method+" "+r.URL.Path]; ok {
		answer(int(refused["code"].(float64)), refused)
		return
	}
	object, exists := a.objects[r.URL.Path]
	switch r.Method {
	case http.MethodGet:
	case http.MethodPatch:
		body, _ := io.ReadAll(r.Body)
		var sent map[string]any
		if err := json.Unmarshal(body, &sent); err != nil {
			answer(http.StatusBadRequest, map[string]any{"kind": "Status", "message": err.Error(), "code": 400})
			return
		}
		metadata := sent["metadata"].(map[string]any)
		metadata["uid"] = "uid-" + fmt.Sprint(metadata["name"])
		if found, ok := a.statuses[r.URL.Path]; ok {
			sent["status"] = found
		}
		object, exists = sent, true
		if !strings.Contains(r.URL.RawQuery, "dryRun=All") {
			a.objects[r.URL.Path] = sent
		}
	case http.MethodDelete:
		delete(a.objects, r.URL.Path)
	}
	if !exists {
		answer(http.StatusNotFound, map[string]any{
			"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": r.URL.Path + " not found",
		})
		return
	}
	answer(http.StatusOK, object)
}

func (a *api) saw(text string) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return slices.ContainsFunc(a.calls, func(call string) bool { return strings.Contains(call, text) })
}

// tested is a provider whose messages are kept.
type tested struct {
	*Provider
	messages []string
}

func newProvider(t *testing.T, config map[string]any) *tested {
	t.Helper()
	provider, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &tested{Provider: provider}
	p.log = func(severity diag.Severity, _ resource.URN, message string, _ bool) {
		p.messages = append(p.messages, string(severity)+": "+message)
	}
	if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{Inputs: inputs(config)}); err != nil {
		t.Fatal(err)
	}
	return p
}

func inputs(values map[string]any) resource.PropertyMap {
	return resource.NewPropertyMapFromMap(values)
}

func object(version, kind, name string, more map[string]any) resource.PropertyMap {
	values := map[string]any{"apiVersion": version, "kind": kind}
	if name != "" {
		values["metadata"] = map[string]any{"name": name, "namespace": "team"}
	}
	for key, value := range more {
		values[key] = value
	}
	return inputs(values)
}

func urn(token string) resource.URN {
	return resource.NewURN("dev", "project", "", tokens.Type(token), "web")
}

func (p *tested) check(t *testing.T, token string, olds, news resource.PropertyMap) plugin.CheckResponse {
	t.Helper()
	response, err := p.Check(t.Context(), plugin.CheckRequest{
		URN: urn(token), Type: tokens.Type(token), Olds: olds, News: news, RandomSeed: []byte("seed"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func (p *tested) create(t *testing.T, token string, properties resource.PropertyMap, preview bool) (plugin.CreateResponse, error) {
	t.Helper()
	return p.Create(t.Context(), plugin.CreateRequest{
		URN: urn(token), Type: tokens.Type(token), Properties: properties, Preview: preview, Timeout: 2,
	})
}

const configMap = "kubernetes:core/v1:ConfigMap"

func at(t *testing.T, properties resource.PropertyMap, path string) resource.PropertyValue {
	t.Helper()
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		t.Fatal(err)
	}
	value, _ := parsed.Get(resource.NewProperty(properties))
	return value
}

func TestNothingIsReachedBeforeTheClusterExists(t *testing.T) {
	for name, kubeconfig := range map[string]any{
		"unknown":  resource.MakeComputed(resource.NewProperty("")),
		"nobody's": (&api{Server: &httptest.Server{URL: "http://127.0.0.1:1"}}).kubeconfig(),
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, nil)
			if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{
				Inputs: resource.PropertyMap{"kubeconfig": resource.NewPropertyValue(kubeconfig)},
			}); err != nil {
				t.Fatal(err)
			}
			checked := p.check(t, configMap, nil, object("v1", "ConfigMap", "conf", map[string]any{"data": map[string]any{"a": "1"}}))
			if len(checked.Failures) > 0 || !checked.Properties.HasValue("data") {
				t.Fatalf("got %v", checked)
			}
			created, err := p.create(t, configMap, checked.Properties, true)
			if err != nil || !created.Properties.DeepEquals(checked.Properties) {
				t.Fatalf("got %v, %v", created.Properties, err)
			}
		})
	}
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	p := newProvider(t, nil)
	metadata := func(values map[string]any) resource.PropertyMap {
		return object("v1", "ConfigMap", "", map[string]any{"metadata": values})
	}
	for name, c := range map[string]struct {
		token string
		news  resource.PropertyMap
		want  string
	}{
		"kind":    {configMap, object("v1", "Secret", "c", nil), `expected "ConfigMap"`},
		"version": {role, object("rbac.authorization.k8s.io/v9", "Role", "c", nil), `expected "rbac.authorization.k8s.io/v1"`},
		"type": {claim, object("v1", "PersistentVolumeClaim", "c", map[string]any{"spec": map[string]any{"volumeName": 3}}),
			"spec.volumeName: expected string, got number"},
		"data":       {configMap, object("v1", "ConfigMap", "c", map[string]any{"data": map[string]any{"port": 80}}), "data: expected string, got number"},
		"name":       {configMap, object("v1", "ConfigMap", "a/b", nil), "metadata.name \"a/b\" may not contain '/'"},
		"no name":    {configMap, metadata(map[string]any{"namespace": "team"}), "metadata.name is missing"},
		"nowhere":    {configMap, metadata(map[string]any{"name": "c"}), `metadata.namespace is ""`},
		"Namespace":  {"kubernetes:core/v1:Namespace", object("v1", "Namespace", "n", nil), `metadata.namespace is "team"`},
		"annotation": {configMap, metadata(map[string]any{"name": "c", "namespace": "team", "annotations": map[string]any{"pulumi.com/waitFor": "x"}}), "pulumi.com/waitFor"},
	} {
		t.Run(name, func(t *testing.T) {
			failures := p.check(t, c.token, nil, c.news).Failures
			if len(failures) != 1 || !strings.Contains(failures[0].Reason, c.want) {
				t.Errorf("got %v, want %s", failures, c.want)
			}
		})
	}
	p.check(t, claim, nil, pvc(map[string]any{"volumName": "x"}))
	if !strings.Contains(strings.Join(p.messages, "\n"), `unknown field "spec.volumName"`) {
		t.Errorf("no warning of a field that does not exist: %v", p.messages)
	}
}

func TestWhatOnlyTheOfficialProviderHasIsRefusedByName(t *testing.T) {
	p := newProvider(t, nil)
	for _, token := range []string{
		"kubernetes:core/v1:ConfigMapPatch", "kubernetes:core/v1:ConfigMapList", "kubernetes:apps/v1:Deployment", "kubernetes:yaml/v2:ConfigGroup",
	} {
		_, err := p.Check(t.Context(), plugin.CheckRequest{URN: urn(token), Type: tokens.Type(token)})
		if err == nil || !strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "not performed") {
			t.Errorf("%s: got %v", token, err)
		}
	}
	_, err := p.Read(t.Context(), plugin.ReadRequest{URN: urn(configMap), Type: configMap, ID: "team/c"})
	if err == nil || !strings.Contains(err.Error(), "importing") {
		t.Errorf("got %v", err)
	}
	config := map[string]any{"kubeconfig": newAPI(t).kubeconfig(), "namespace": "x"}
	checked, err := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: inputs(config)})
	if err != nil || len(checked.Failures) != 1 || checked.Failures[0].Property != "namespace" {
		t.Errorf("got %v, %v", checked, err)
	}
}

func TestConfigurationThatIsWrongIsToldWithoutItsSecrets(t *testing.T) {
	p := newProvider(t, nil)
	for kubeconfig, want := range map[string]string{
		"kind: Config\nusers: {{ token: hunter2hunter2":              "not the content of a kubeconfig",
		"/nowhere/kubeconfig":                                        "not the content of a kubeconfig",
		"kind: Config\napiVersion: v1\ncurrent-context: elsewhere\n": `context "elsewhere" has no cluster`,
	} {
		checked, err := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: inputs(map[string]any{"kubeconfig": kubeconfig})})
		if err != nil || len(checked.Failures) != 1 || !strings.Contains(checked.Failures[0].Reason, want) ||
			strings.Contains(checked.Failures[0].Reason, "hunter2") {
			t.Errorf("got %v, %v; want %s", checked.Failures, err, want)
		}
	}
	checked, err := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: inputs(map[string]any{"kubeconfig": newAPI(t).kubeconfig()})})
	if err != nil || len(checked.Failures) > 0 || !checked.Properties["kubeconfig"].IsSecret() {
		t.Errorf("got %v, %v", checked, err)
	}
}

func TestAnotherClusterMeansANewProvider(t *testing.T) {
	p, one, other := newProvider(t, nil), newAPI(t).kubeconfig(), newAPI(t).kubeconfig()
	known := func(kubeconfig string) resource.PropertyMap { return inputs(map[string]any{"kubeconfig": kubeconfig}) }
	for name, c := range map[string]struct {
		old, new resource.PropertyMap
		replace  bool
	}{
		"same":        {known(one), known(one), false},
		"credentials": {known(one), known(strings.Replace(one, `"token":"t"`, `"token":"new"`, 1)), false},
		"cluster":     {known(one), known(other), true},
		"unknown":     {known(one), resource.PropertyMap{"kubeconfig": resource.MakeComputed(resource.NewProperty(""))}, true},
		"identified": {inputs(map[string]any{"kubeconfig": one, "clusterIdentifier": "i"}),
			inputs(map[string]any{"kubeconfig": other, "clusterIdentifier": "i"}), false},
	} {
		diff, err := p.DiffConfig(t.Context(), plugin.DiffConfigRequest{OldInputs: c.old, NewInputs: c.new})
		if err != nil || diff.Replace() != c.replace {
			t.Errorf("%s: got %v, %v; want a replacement: %v", name, diff, err, c.replace)
		}
	}
}

func TestCreateAppliesAndKeepsTheLiveObject(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	news := p.check(t, configMap, nil, object("v1", "ConfigMap", "m", map[string]any{
		"data": map[string]any{"key": resource.MakeSecret(resource.NewProperty("hunter2hunter2"))},
	})).Properties
	preview, err := p.create(t, configMap, news, true)
	if err != nil || at(t, preview.Properties, "metadata.uid").HasValue() || !server.saw("dryRun=All") {
		t.Fatalf("preview: got %v, %v, calls %v", preview.Properties, err, server.calls)
	}
	created, err := p.create(t, configMap, news, false)
	if err != nil || created.ID != "team/m" {
		t.Fatalf("got %v, %v", created, err)
	}
	if at(t, created.Properties, "metadata.uid").StringValue() != "uid-m" || !at(t, created.Properties, "data.key").IsSecret() ||
		!at(t, created.Properties, "__inputs.data.key").IsSecret() {
		t.Errorf("got %v", created.Properties)
	}
	sent := server.objects["/api/v1/namespaces/team/configmaps/m"]
	if text, _ := json.Marshal(sent["data"]); string(text) != `{"key":"hunter2hunter2"}` {
		t.Errorf("sent %s", text)
	}
	manager := created.Properties[fieldManagerKey].StringValue()
	if !strings.HasPrefix(manager, "pulumi-kubernetes-") || !server.saw("fieldManager="+manager) || server.saw("force=true") {
		t.Errorf("manager %s, calls %v", manager, server.calls)
	}
	if _, err := p.create(t, configMap, news, false); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("an object that was there was taken over: %v", err)
	}
	delete(server.objects, "/api/v1/namespaces/team/configmaps/m")
	taking := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig(), "enablePatchForce": "true"})
	if _, err := taking.create(t, configMap, news, false); err != nil || !server.saw("force=true") {
		t.Errorf("got %v, calls %v", err, server.calls)
	}
}

func TestUpdateKeepsTheFieldManager(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	news := p.check(t, configMap, nil, object("v1", "ConfigMap", "m", nil)).Properties
	created, err := p.create(t, configMap, news, false)
	if err != nil {
		t.Fatal(err)
	}
	changed := news.Copy()
	changed["data"] = resource.NewPropertyValue(map[string]any{"a": "1"})
	request := plugin.UpdateRequest{
		URN: urn(configMap), Type: configMap, ID: created.ID, OldInputs: news, OldOutputs: created.Properties, NewInputs: changed,
	}
	updated, err := p.Update(t.Context(), request)
	if err != nil || !updated.Properties[fieldManagerKey].DeepEquals(created.Properties[fieldManagerKey]) ||
		at(t, updated.Properties, "data.a").StringValue() != "1" {
		t.Fatalf("got %v, %v", updated.Properties, err)
	}
	delete(server.objects, "/api/v1/namespaces/team/configmaps/m")
	if _, err := p.Update(t.Context(), request); err == nil || !strings.Contains(err.Error(), "pulumi refresh") {
		t.Errorf("got %v", err)
	}
}

func TestReadSeesDriftAndWhatIsGone(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	news := p.check(t, "kubernetes:core/v1:Secret", nil, object("v1", "Secret", "s", map[string]any{
		"stringData": map[string]any{"a": "1"},
	})).Properties
	if !news["stringData"].IsSecret() {
		t.Fatalf("a Secret's data are not secret: %v", news)
	}
	path := "/api/v1/namespaces/team/secrets/s"
	created, err := p.create(t, "kubernetes:core/v1:Secret", news, false)
	if err != nil {
		t.Fatal(err)
	}
	state := created.Properties
	state["data"] = resource.MakeSecret(resource.NewPropertyValue(map[string]any{"a": "MQ=="}))
	server.objects[path]["data"] = map[string]any{"a": "MQ=="}
	read := func() plugin.ReadResponse {
		response, err := p.Read(t.Context(), plugin.ReadRequest{
			URN: urn("kubernetes:core/v1:Secret"), Type: "kubernetes:core/v1:Secret", ID: "team/s", Inputs: news, State: state,
		})
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	if got := read(); !got.Inputs.DeepEquals(news) {
		t.Errorf("drift where there is none: %v, want %v", got.Inputs, news)
	}
	server.objects[path]["data"] = map[string]any{"a": "Mg=="}
	got := read()
	if !got.Inputs["stringData"].IsSecret() || !got.Outputs["data"].IsSecret() ||
		got.Inputs["stringData"].SecretValue().Element.ObjectValue()["a"].StringValue() != "2" {
		t.Errorf("drift not seen: %v", got.Inputs)
	}
	delete(server.objects, path)
	if got := read(); got.ID != "" || got.Outputs != nil {
		t.Errorf("what is gone is read as %v", got)
	}
}

func TestAServiceAccountsTokenIsWaitedForAndTold(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	const token, path = "kubernetes:core/v1:Secret", "/api/v1/namespaces/team/secrets/s"
	news := p.check(t, token, nil, object("v1", "Secret", "s", map[string]any{"type": "kubernetes.io/service-account-token"})).Properties
	filled := make(chan bool)
	go func() { // the cluster's controller
		defer close(filled)
		fill := func() bool { // once it is there: the first GET may have been before
			server.mutex.Lock()
			defer server.mutex.Unlock()
			secret := server.objects[path]
			if secret != nil {
				secret["data"] = map[string]any{"ca.crt": "Q0E=", "token": "ZXk="}
			}
			return secret != nil
		}
		for !server.saw("GET "+path) || !fill() {
			time.Sleep(time.Millisecond)
		}
	}()
	created, err := p.create(t, token, news, false)
	if err != nil {
		t.Fatal(err)
	}
	<-filled
	data := created.Properties["data"]
	if !data.IsSecret() || data.SecretValue().Element.ObjectValue()["token"].StringValue() != "ZXk=" {
		t.Fatalf("got %v", created.Properties)
	}
	got, err := p.Read(t.Context(), plugin.ReadRequest{
		URN: urn(token), Type: token, ID: "team/s", Inputs: news, State: created.Properties,
	})
	if err != nil || !got.Inputs.DeepEquals(news) || !got.Outputs["data"].DeepEquals(data) {
		t.Errorf("the token is drift: %v, %v", got, err)
	}
}

func TestAClusterThatIsAwayIsNamed(t *testing.T) {
	server := newAPI(t)
	config := map[string]any{"kubeconfig": server.kubeconfig()}
	p := newProvider(t, config)
	news := p.check(t, configMap, nil, object("v1", "ConfigMap", "c", nil)).Properties
	created, err := p.create(t, configMap, news, false)
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	read := plugin.ReadRequest{URN: urn(configMap), Type: configMap, ID: created.ID, Inputs: news, State: created.Properties}
	remove := plugin.DeleteRequest{URN: urn(configMap), Type: configMap, ID: created.ID, Inputs: news, Outputs: created.Properties}
	away := newProvider(t, config)
	_, readErr := away.Read(t.Context(), read)
	_, deleteErr := away.Delete(t.Context(), remove)
	for _, err := range []error{readErr, deleteErr} {
		if err == nil || !strings.Contains(err.Error(), "cannot reach the Kubernetes API server at "+server.URL) ||
			!strings.Contains(err.Error(), "kube-apiserver") {
			t.Errorf("got %v", err)
		}
	}
}

func TestRefusalsOfTheServerNameObjectAndReason(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	path := "PATCH /api/v1/namespaces/team/configmaps/c"
	news := p.check(t, configMap, nil, object("v1", "ConfigMap", "c", map[string]any{
		"data": resource.MakeSecret(resource.NewPropertyValue(map[string]any{"a": "hunter2hunter2"})),
	})).Properties
	for reason, c := range map[string]struct {
		code    int
		message string
		want    string
	}{
		"Invalid":  {422, `ConfigMap "c" is invalid: data.a: Invalid value: "hunter2hunter2"`, `data.a: Invalid value: "[secret]"`},
		"Conflict": {409, `Apply failed with 1 conflict: conflict with "kubectl": .data.a`, "enablePatchForce"},
	} {
		server.refuse[path] = map[string]any{"kind": "Status", "status": "Failure", "reason": reason, "code": float64(c.code), "message": c.message}
		_, err := p.create(t, configMap, news, false)
		if err == nil || !strings.Contains(err.Error(), "creating ConfigMap team/c: ") || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestAnObjectThatDoesNotBecomeReadyIsKeptInTheState(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	news := p.check(t, claim, nil, pvc(map[string]any{})).Properties
	_, err := p.create(t, claim, news, false)
	var kept *pulumirpc.ErrorResourceInitFailed
	for _, detail := range status.Convert(err).Details() {
		kept, _ = detail.(*pulumirpc.ErrorResourceInitFailed)
	}
	if kept == nil || kept.GetId() != "team/x" || kept.GetProperties().GetFields()["metadata"] == nil ||
		!strings.Contains(strings.Join(kept.GetReasons(), "\n"), "not ready after 2s\nit has no storageClassName") {
		t.Fatalf("got %v, %v", err, kept)
	}
	server.statuses["/api/v1/namespaces/team/persistentvolumeclaims/x"] = map[string]any{"phase": "Bound"}
	if _, err := p.Update(t.Context(), plugin.UpdateRequest{
		URN: urn(claim), Type: claim, ID: "team/x", OldInputs: news, OldOutputs: news, NewInputs: news, Timeout: 2,
	}); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestWhatNobodyWantsToWaitForIsNotWaitedFor(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	news := p.check(t, claim, nil, object("v1", "PersistentVolumeClaim", "", map[string]any{"metadata": map[string]any{
		"name": "x", "namespace": "team", "annotations": map[string]any{annotationSkipAwait: "true"},
	}})).Properties
	if _, err := p.create(t, claim, news, false); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestDeleteIsNoErrorWhereNothingIs(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	state := object("v1", "ConfigMap", "c", nil)
	if _, err := p.Delete(context.Background(), plugin.DeleteRequest{
		URN: urn(configMap), Type: configMap, ID: "team/c", Inputs: state, Outputs: state,
	}); err != nil {
		t.Errorf("got %v", err)
	}
}
