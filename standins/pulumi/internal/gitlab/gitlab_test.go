package gitlab

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"auto-devops/standins/pulumi/internal/standin"
)

const theToken = "glpat-the-providers-own"

// fake answers GitLab's API with what a test says, and fails the test at every other request.
type fake struct {
	t      *testing.T
	server *httptest.Server
	ca     string

	mutex  sync.Mutex
	asked  []string
	bodies map[string][]map[string]any
	// answers by "METHOD /path?query" under the API; given out in order, the last one stays.
	answers map[string][]reply
}

type reply struct {
	status int
	body   any
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, bodies: map[string][]map[string]any{}, answers: map[string][]reply{}}
	f.server = httptest.NewTLSServer(f)
	t.Cleanup(f.server.Close)
	f.ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw})
	if err := os.WriteFile(f.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// on sets the answers to a request.
func (f *fake) on(request string, replies ...reply) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.answers[request] = replies
}

func ok(body any) reply { return reply{http.StatusOK, body} }

var missing = reply{http.StatusNotFound, map[string]any{"message": "404 Not found"}}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	request := r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/api/v4")
	if r.URL.RawQuery != "" {
		request += "?" + r.URL.RawQuery
	}
	f.asked = append(f.asked, request)
	if r.Header.Get("Authorization") != "Bearer "+theToken {
		f.t.Errorf("%s: got authorization %q", request, r.Header.Get("Authorization"))
	}
	if text, _ := io.ReadAll(r.Body); len(text) > 0 {
		var body map[string]any
		if err := json.Unmarshal(text, &body); err != nil {
			f.t.Errorf("%s: the body %s: %v", request, text, err)
		}
		f.bodies[request] = append(f.bodies[request], body)
	}
	answers := f.answers[request]
	if len(answers) == 0 {
		f.t.Errorf("unexpected request %s", request)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	if len(answers) > 1 {
		f.answers[request] = answers[1:]
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answers[0].status)
	if answers[0].body != nil {
		_ = json.NewEncoder(w).Encode(answers[0].body)
	}
}

// requests are what was asked since the last time.
func (f *fake) requests() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// sent is the last body of a request.
func (f *fake) sent(request string) map[string]any {
	f.t.Helper()
	f.mutex.Lock()
	defer f.mutex.Unlock()
	bodies := f.bodies[request]
	if len(bodies) == 0 {
		f.t.Fatalf("nothing was sent by %s; asked: %v", request, f.asked)
	}
	return bodies[len(bodies)-1]
}

// stack is a provider as an engine uses it.
type stack struct {
	t        *testing.T
	fake     *fake
	provider *standin.Provider
}

func newStack(t *testing.T) stack {
	t.Helper()
	f := newFake(t)
	return stack{t, f, configured(t, map[string]any{
		"baseUrl": f.server.URL + "/api/v4/", "token": theToken, "cacertFile": f.ca, "earlyAuthCheck": "false",
	})}
}

func configured(t *testing.T, config map[string]any) *standin.Provider {
	t.Helper()
	provider, err := standin.New(Package(), nil)
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
	return provider
}

func urn(token tokens.Type) resource.URN { return resource.NewURN("dev", "p", "", token, "app") }

func (s stack) check(token tokens.Type, values map[string]any) (resource.PropertyMap, string) {
	s.t.Helper()
	checked, err := s.provider.Check(s.t.Context(), plugin.CheckRequest{
		URN: urn(token), Name: "app", Type: token, News: resource.NewPropertyMapFromMap(values), RandomSeed: []byte("seed"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	var failures []string
	for _, failure := range checked.Failures {
		failures = append(failures, fmt.Sprintf("%s: %s", failure.Property, failure.Reason))
	}
	return checked.Properties, strings.Join(failures, "\n")
}

func (s stack) inputs(token tokens.Type, values map[string]any) resource.PropertyMap {
	s.t.Helper()
	inputs, failures := s.check(token, values)
	if failures != "" {
		s.t.Fatal(failures)
	}
	return inputs
}

// made is a resource in a stack's state.
type made struct {
	stack
	token   tokens.Type
	id      resource.ID
	inputs  resource.PropertyMap
	outputs resource.PropertyMap
}

func (s stack) try(token tokens.Type, values map[string]any) (made, error) {
	s.t.Helper()
	inputs := s.inputs(token, values)
	created, err := s.provider.Create(s.t.Context(), plugin.CreateRequest{URN: urn(token), Type: token, Properties: inputs})
	return made{s, token, created.ID, inputs, created.Properties}, err
}

func (s stack) create(token tokens.Type, values map[string]any) made {
	s.t.Helper()
	created, err := s.try(token, values)
	if err != nil {
		s.t.Fatal(err)
	}
	return created
}

// refresh reads the resource anew; false when it is gone.
func (m *made) refresh() bool {
	m.t.Helper()
	read, err := m.provider.Read(m.t.Context(), plugin.ReadRequest{
		URN: urn(m.token), ID: m.id, Type: m.token, Inputs: m.inputs, State: m.outputs,
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.inputs, m.outputs = read.Inputs, read.Outputs
	return read.ID != ""
}

func (m *made) diff(values map[string]any) plugin.DiffResult {
	m.t.Helper()
	diff, err := m.provider.Diff(m.t.Context(), plugin.DiffRequest{
		URN: urn(m.token), ID: m.id, Type: m.token, OldInputs: m.inputs, OldOutputs: m.outputs,
		NewInputs: m.stack.inputs(m.token, values),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	return diff
}

func (m *made) tryUpdate(values map[string]any) error {
	m.t.Helper()
	inputs := m.stack.inputs(m.token, values)
	updated, err := m.provider.Update(m.t.Context(), plugin.UpdateRequest{
		URN: urn(m.token), ID: m.id, Type: m.token, OldInputs: m.inputs, OldOutputs: m.outputs, NewInputs: inputs,
	})
	if err == nil {
		m.inputs, m.outputs = inputs, updated.Properties
	}
	return err
}

func (m *made) update(values map[string]any) {
	m.t.Helper()
	if err := m.tryUpdate(values); err != nil {
		m.t.Fatal(err)
	}
}

func (m *made) tryDelete() error {
	m.t.Helper()
	_, err := m.provider.Delete(m.t.Context(), plugin.DeleteRequest{
		URN: urn(m.token), ID: m.id, Type: m.token, Inputs: m.inputs, Outputs: m.outputs,
	})
	return err
}

func (m *made) remove() {
	m.t.Helper()
	if err := m.tryDelete(); err != nil {
		m.t.Fatal(err)
	}
}

// unchanged fails when the program that made the resource would change it.
func (m *made) unchanged(values map[string]any) {
	m.t.Helper()
	if diff := m.diff(values); diff.Changes != plugin.DiffNone {
		m.t.Errorf("%s changed without a reason: %v", m.token, diff.DetailedDiff)
	}
}

// value is an output in plain Go; "[secret]" before it when it is marked so.
func (m *made) value(key resource.PropertyKey) string {
	value, known := m.outputs[key]
	if !known {
		return "absent"
	}
	encoded, _ := json.Marshal(standin.Plain(value).Mappable())
	if value.IsSecret() {
		return "[secret]" + string(encoded)
	}
	return string(encoded)
}

func (m *made) has(values map[string]string) {
	m.t.Helper()
	for key, wanted := range values {
		if got := m.value(resource.PropertyKey(key)); got != wanted {
			m.t.Errorf("%s of %s: got %s, want %s", key, m.token, got, wanted)
		}
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	gotText, _ := json.Marshal(got)
	wantText, _ := json.Marshal(want)
	if string(gotText) != string(wantText) {
		t.Errorf("%s:\n got %s\nwant %s", what, gotText, wantText)
	}
}

func contains(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, wanted one with %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got error %q, wanted %q in it", err, part)
		}
	}
}

type object = map[string]any

func quickly(t *testing.T) {
	t.Helper()
	interval := pollInterval
	pollInterval = time.Millisecond
	t.Cleanup(func() { pollInterval = interval })
}

func withoutPatience(t *testing.T) {
	t.Helper()
	limit := goneLimit
	goneLimit = 50 * time.Millisecond
	t.Cleanup(func() { goneLimit = limit })
}

func TestNothingIsDialledBeforeTheFirstResource(t *testing.T) {
	provider := configured(t, map[string]any{
		"baseUrl": "https://gitlab.invalid/api/v4/", "token": theToken, "cacertFile": "/nowhere/ca.pem",
	})
	s := stack{t: t, provider: provider}
	inputs := s.inputs(projectToken, object{"name": "app", "namespaceId": 7})
	planned, err := provider.Create(t.Context(), plugin.CreateRequest{
		URN: urn(projectToken), Type: projectToken, Properties: inputs, Preview: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if token := planned.Properties["runnersToken"]; !token.IsSecret() || !token.SecretValue().Element.IsComputed() {
		t.Errorf("runnersToken in a preview: got %v, want a secret that is not known yet", token)
	}
	if !planned.Properties["webUrl"].IsComputed() || planned.Properties["name"].StringValue() != "app" {
		t.Errorf("preview: got %v", planned.Properties)
	}
	_, err = provider.Create(t.Context(), plugin.CreateRequest{URN: urn(projectToken), Type: projectToken, Properties: inputs})
	contains(t, err, "cannot create project app", "cacertFile", "/nowhere/ca.pem")
}

func TestConfigurationErrors(t *testing.T) {
	good := object{"baseUrl": "https://gitlab.test/api/v4/", "token": "glpat-x", "earlyAuthCheck": "false"}
	cases := map[string]struct {
		change object
		want   string
	}{
		"skips verification": {object{"insecure": "true"}, "insecure: the lab's stand-in"},
		"early check":        {object{"earlyAuthCheck": "true"}, "earlyAuthCheck: the lab's stand-in reaches GitLab at the first resource"},
		"no address":         {object{"baseUrl": nil}, "baseUrl: missing"},
		"not an address":     {object{"baseUrl": "gitlab.test"}, `baseUrl: got "gitlab.test"`},
		"no token":           {object{"token": nil}, "token: missing"},
		"not performed":      {object{"clientCert": "/x"}, "clientCert: the lab's stand-in for pulumi-resource-gitlab does not perform"},
		"misspelt":           {object{"baseURL": "https://x"}, "did you mean baseUrl?"},
		"good":               {object{}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config := object{}
			for key, value := range good {
				config[key] = value
			}
			for key, value := range c.change {
				config[key] = value
			}
			provider, err := standin.New(Package(), nil)
			if err != nil {
				t.Fatal(err)
			}
			checked, err := provider.CheckConfig(t.Context(), plugin.CheckConfigRequest{
				News: resource.NewPropertyMapFromMap(config),
			})
			if err != nil {
				t.Fatal(err)
			}
			var reasons []string
			for _, failure := range checked.Failures {
				reasons = append(reasons, fmt.Sprintf("%s: %s", failure.Property, failure.Reason))
			}
			got := strings.Join(reasons, "\n")
			if !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAnUnknownAuthorityIsRefusedWithTheFix(t *testing.T) {
	f := newFake(t)
	s := stack{t, f, configured(t, map[string]any{"baseUrl": f.server.URL, "token": theToken})}
	_, err := s.try(groupToken, object{"name": "g", "path": "g"})
	contains(t, err, "cannot create group g", "certificate signed by unknown authority", "cacertFile")
	if asked := f.requests(); len(asked) > 0 {
		t.Errorf("asked a server that is not trusted: %v", asked)
	}
}

func TestAWrongTokenIsNamed(t *testing.T) {
	s := newStack(t)
	s.fake.on("POST /groups", reply{http.StatusUnauthorized, object{"message": "401 Unauthorized"}})
	_, err := s.try(groupToken, object{"name": "g", "path": "g"})
	contains(t, err, "cannot create group g", "POST", "/api/v4/groups: 401", "401 Unauthorized", "expired or revoked")
	if strings.Contains(err.Error(), theToken) {
		t.Errorf("the error tells the token: %v", err)
	}
}

func theGroup(change object) object {
	group := object{
		"id": 7, "name": "apps", "path": "apps", "full_name": "apps", "full_path": "apps", "description": "ours",
		"visibility": "private", "web_url": "https://gitlab.test/groups/apps", "runners_token": "GR1348941secret", "parent_id": nil,
		"lfs_enabled": true, "auto_devops_enabled": nil, "shared_runners_setting": "enabled", "marked_for_deletion_on": nil,
	}
	for key, value := range change {
		group[key] = value
	}
	return group
}

func TestGroup(t *testing.T) {
	quickly(t)
	s := newStack(t)
	values := object{"name": "apps", "path": "apps", "visibilityLevel": "private"}
	s.fake.on("POST /groups", reply{http.StatusCreated, theGroup(nil)})
	s.fake.on("GET /groups/7", ok(theGroup(nil)))
	group := s.create(groupToken, values)
	same(t, "created with", s.fake.sent("POST /groups"), object{"name": "apps", "path": "apps", "visibility": "private"})
	if group.id != "7" {
		t.Errorf("got id %s", group.id)
	}
	group.has(map[string]string{
		"fullPath": `"apps"`, "webUrl": `"https://gitlab.test/groups/apps"`, "runnersToken": `[secret]"GR1348941secret"`,
		"lfsEnabled": "true", "parentId": "absent",
	})

	group.refresh()
	group.unchanged(values)

	s.fake.on("GET /groups/7", ok(theGroup(object{"name": "others", "visibility": "public"})))
	group.refresh()
	diff := group.diff(values)
	same(t, "drift", diff.ChangedKeys, []string{"name", "visibilityLevel"})
	same(t, "replaced for drift", diff.ReplaceKeys, nil)
	s.fake.on("GET /groups/7", ok(theGroup(nil)))
	s.fake.on("PUT /groups/7", ok(theGroup(nil)))
	group.update(values)
	same(t, "mended by", s.fake.sent("PUT /groups/7"), object{"name": "apps", "visibility": "private"})
	group.has(map[string]string{"name": `"apps"`, "runnersToken": `[secret]"GR1348941secret"`})
	same(t, "what is given no more", group.diff(object{"name": "apps", "path": "apps"}).ChangedKeys, nil)

	s.fake.on("DELETE /groups/7", reply{http.StatusAccepted, object{"message": "202 Accepted"}})
	s.fake.on("GET /groups/7", ok(theGroup(nil)), ok(theGroup(nil)), missing)
	group.remove()
	s.fake.on("GET /groups/7", missing)
	if group.refresh() {
		t.Error("a group that GitLab does not know is still there")
	}
	group.id, group.inputs, group.outputs = "7", resource.PropertyMap{"path": resource.NewProperty("apps")}, resource.PropertyMap{}
	s.fake.requests()
	group.remove()
	same(t, "asked to delete what is gone", s.fake.requests(), []string{"GET /groups/7"})
}

func theProject(change object) object {
	project := object{
		"id": 42, "name": "shop", "path": "shop", "path_with_namespace": "apps/shop", "description": nil, "visibility": "private",
		"namespace": object{"id": 7, "full_path": "apps"}, "default_branch": "main", "empty_repo": false, "archived": false,
		"http_url_to_repo": "https://gitlab.test/apps/shop.git", "ssh_url_to_repo": "git@gitlab.test:apps/shop.git",
		"web_url": "https://gitlab.test/apps/shop", "runners_token": "GR1348941project", "topics": []any{"b", "a"},
		"auto_devops_enabled": false, "ci_default_git_depth": 20, "build_timeout": 3600, "builds_access_level": "enabled",
		"container_expiration_policy": object{
			"cadence": "1d", "enabled": true, "keep_n": 10, "older_than": "90d", "next_run_at": "2026-11-25T00:00:00.000Z",
		},
		"public_jobs": true, "marked_for_deletion_on": nil, "ci_config_path": nil,
	}
	for key, value := range change {
		project[key] = value
	}
	return project
}

func TestProject(t *testing.T) {
	quickly(t)
	s := newStack(t)
	values := object{
		"name": "shop", "path": "shop", "namespaceId": 7, "visibilityLevel": "private", "autoDevopsEnabled": false,
		"initializeWithReadme": false, "permanentlyDeleteOnDestroy": true,
	}
	s.fake.on("POST /projects", reply{http.StatusCreated, theProject(nil)})
	s.fake.on("PUT /projects/42", ok(theProject(nil)))
	s.fake.on("GET /projects/42", ok(theProject(nil)))
	project := s.create(projectToken, values)
	same(t, "created with", s.fake.sent("POST /projects"), object{
		"auto_devops_enabled": false, "name": "shop", "namespace_id": 7, "path": "shop", "visibility": "private",
	})
	same(t, "asked", s.fake.requests(), []string{"POST /projects", "GET /projects/42"})
	project.has(map[string]string{
		"pathWithNamespace": `"apps/shop"`, "httpUrlToRepo": `"https://gitlab.test/apps/shop.git"`,
		"sshUrlToRepo": `"git@gitlab.test:apps/shop.git"`, "runnersToken": `[secret]"GR1348941project"`, "namespaceId": "7",
		"publicJobs": "true", "emptyRepo": "false",
	})
	project.refresh()
	project.unchanged(values)

	s.fake.on("GET /projects/42", ok(theProject(object{"visibility": "public", "namespace": object{"id": 8}})))
	project.refresh()
	same(t, "drift", project.diff(values).ChangedKeys, []string{"namespaceId", "visibilityLevel"})
	s.fake.on("GET /projects/42", ok(theProject(nil)))
	s.fake.on("PUT /projects/42/transfer", ok(theProject(nil)))
	project.update(values)
	same(t, "moved back by", s.fake.sent("PUT /projects/42/transfer"), object{"namespace": 7})
	same(t, "mended by", s.fake.sent("PUT /projects/42"), object{"visibility": "private"})
	project.unchanged(values)

	s.fake.on("GET /projects/42", ok(theProject(object{"marked_for_deletion_on": "2026-11-24"})))
	marked := project
	if marked.refresh() {
		t.Error("a project that somebody deletes is still there")
	}

	s.fake.on("DELETE /projects/42", reply{http.StatusAccepted, object{"message": "202 Accepted"}})
	s.fake.on("DELETE /projects/42?full_path=apps%2Fshop-deletion_scheduled-42&permanently_remove=true", reply{http.StatusAccepted, nil})
	renamed := theProject(object{
		"marked_for_deletion_on": "2026-11-24", "path_with_namespace": "apps/shop-deletion_scheduled-42",
	})
	s.fake.on("GET /projects/42", ok(theProject(nil)), ok(renamed), ok(renamed), missing)
	s.fake.requests()
	project.remove()
	same(t, "asked to delete", s.fake.requests(), []string{
		"GET /projects/42", "DELETE /projects/42", "GET /projects/42",
		"DELETE /projects/42?full_path=apps%2Fshop-deletion_scheduled-42&permanently_remove=true", "GET /projects/42", "GET /projects/42",
	})
}

func TestAProjectIsNeverReplaced(t *testing.T) {
	s := newStack(t)
	project := made{
		s, projectToken, "42", s.inputs(projectToken, object{"name": "shop", "namespaceId": 7}), resource.PropertyMap{},
	}
	same(t, "replaced", project.diff(object{"name": "store", "path": "x", "namespaceId": 9, "visibilityLevel": "public"}).ReplaceKeys, nil)
	_, failures := s.check(projectToken, object{"name": "shop", "templateName": "rails", "initializeWithReadme": true})
	for _, part := range []string{"templateName: the lab's stand-in", "initializeWithReadme: the lab's stand-in"} {
		if !strings.Contains(failures, part) {
			t.Errorf("got %q, wanted %q in it", failures, part)
		}
	}
}

func TestAProjectMarkedForDeletionIsDeletedWithoutTheOption(t *testing.T) {
	quickly(t)
	s := newStack(t)
	project := made{s, projectToken, "42", s.inputs(projectToken, object{"name": "shop"}), resource.PropertyMap{}}
	s.fake.on("GET /projects/42", ok(theProject(nil)), ok(theProject(object{"marked_for_deletion_on": "2026-11-24"})))
	s.fake.on("DELETE /projects/42", reply{http.StatusAccepted, nil})
	project.remove()
	same(t, "asked", s.fake.requests(), []string{"GET /projects/42", "DELETE /projects/42", "GET /projects/42"})

	s.fake.on("GET /projects/42", ok(theProject(nil)))
	s.fake.on("DELETE /projects/42", reply{http.StatusForbidden, object{"message": "403 Forbidden"}})
	contains(t, project.tryDelete(), "cannot delete project shop", "DELETE", "/projects/42: 403", "403 Forbidden")
}

func TestAProjectThatSidekiqDoesNotDelete(t *testing.T) {
	quickly(t)
	withoutPatience(t)
	s := newStack(t)
	project := made{s, projectToken, "42", s.inputs(projectToken, object{"name": "shop"}), resource.PropertyMap{}}
	s.fake.on("GET /projects/42", ok(theProject(nil)))
	s.fake.on("DELETE /projects/42", reply{http.StatusAccepted, nil})
	contains(t, project.tryDelete(), "cannot delete project shop", "Sidekiq")
}

func TestARefusedProject(t *testing.T) {
	s := newStack(t)
	s.fake.on("POST /projects", reply{http.StatusBadRequest, object{"message": object{"path": []any{"has already been taken"}}}})
	_, err := s.try(projectToken, object{"name": "shop"})
	contains(t, err, "cannot create project shop", "POST", "/api/v4/projects: 400", "path", "has already been taken")
	_, failures := s.check(projectToken, object{"name": "shop", "visibilityLevel": "secret", "mergeMethod": "ff"})
	for _, part := range []string{`visibilityLevel: got "secret", allowed: private, internal, public`, "mergeMethod: the lab's"} {
		if !strings.Contains(failures, part) {
			t.Errorf("got %q, wanted %q in it", failures, part)
		}
	}
}

func TestNamesAreMadeWhereTheProgramGivesNone(t *testing.T) {
	s := newStack(t)
	for token, values := range map[tokens.Type]object{
		groupToken: {"path": "apps"}, projectToken: {}, clusterAgentToken: {"project": "1"},
	} {
		if name := s.inputs(token, values)["name"]; !name.IsString() || !strings.HasPrefix(name.StringValue(), "app-") {
			t.Errorf("%s: got name %v", token, name)
		}
	}
}

func protection(push, merge int, force bool) object {
	return object{
		"id": 5, "name": "main", "allow_force_push": force,
		"push_access_levels":  []any{object{"id": 1, "access_level": push, "user_id": nil, "group_id": nil, "deploy_key_id": nil}},
		"merge_access_levels": []any{object{"id": 2, "access_level": 60, "user_id": 3}, object{"id": 2, "access_level": merge}},
	}
}

func TestBranchProtectionTakesTheDefaultBranchOver(t *testing.T) {
	s := newStack(t)
	values := object{"project": "42", "branch": "main", "pushAccessLevel": "maintainer", "mergeAccessLevel": "developer"}
	path := "/projects/42/protected_branches/main"
	s.fake.on("GET "+path, ok(protection(40, 40, false)))
	s.fake.on("GET /projects/42", ok(theProject(nil)))
	s.fake.on("DELETE "+path, reply{http.StatusNoContent, nil})
	s.fake.on("POST /projects/42/protected_branches", reply{http.StatusCreated, protection(40, 30, false)})
	branch := s.create(branchProtectionToken, values)
	same(t, "asked", s.fake.requests(), []string{
		"GET " + path, "GET /projects/42", "DELETE " + path, "POST /projects/42/protected_branches",
	})
	same(t, "protected with", s.fake.sent("POST /projects/42/protected_branches"), object{
		"allow_force_push": false, "merge_access_level": 30, "name": "main", "push_access_level": 40,
	})
	if branch.id != "42:main" {
		t.Errorf("got id %s", branch.id)
	}
	branch.has(map[string]string{"branchProtectionId": "5", "pushAccessLevel": `"maintainer"`, "allowForcePush": "false"})

	s.fake.on("GET "+path, ok(protection(40, 30, false)))
	branch.refresh()
	branch.unchanged(values)

	s.fake.on("GET "+path, ok(protection(0, 30, false)))
	branch.refresh()
	diff := branch.diff(values)
	same(t, "drift", diff.ReplaceKeys, []string{"pushAccessLevel"})
	if !diff.DeleteBeforeReplace {
		t.Error("the new protection of the same branch would be deleted with the old one")
	}

	s.fake.on("PATCH "+path, ok(protection(0, 30, true)))
	values["pushAccessLevel"] = "no one"
	values["allowForcePush"] = true
	same(t, "changed in place", branch.diff(values).ReplaceKeys, nil)
	branch.update(values)
	same(t, "updated with", s.fake.sent("PATCH "+path), object{"allow_force_push": true})

	branch.remove()
	s.fake.on("DELETE "+path, missing)
	branch.remove()
	s.fake.on("GET "+path, missing)
	if branch.refresh() {
		t.Error("a branch that is protected no more is still there")
	}
}

func TestAnotherProtectedBranchIsSomebodys(t *testing.T) {
	s := newStack(t)
	s.fake.on("GET /projects/42/protected_branches/release%2F1%2Ex", ok(protection(40, 40, false)))
	s.fake.on("GET /projects/42", ok(theProject(nil)))
	_, err := s.try(branchProtectionToken, object{"project": "42", "branch": "release/1.x"})
	contains(t, err, "protection of branch release/1.x of project 42", "protected already", "import it (id 42:release/1.x)")
	_, failures := s.check(branchProtectionToken, object{
		"project": "42", "branch": "main", "pushAccessLevel": "anyone", "codeOwnerApprovalRequired": true,
	})
	for _, part := range []string{"pushAccessLevel: got", "codeOwnerApprovalRequired: the lab's stand-in"} {
		if !strings.Contains(failures, part) {
			t.Errorf("got %q, wanted %q in it", failures, part)
		}
	}
}

func variable(change object) object {
	told := object{
		"key": "KUBECONFIG", "value": "s3cret-value", "variable_type": "file", "protected": true, "masked": true, "hidden": false,
		"raw": false, "environment_scope": "*", "description": nil,
	}
	for key, value := range change {
		told[key] = value
	}
	return told
}

func TestVariables(t *testing.T) {
	s := newStack(t)
	list := "/projects/apps%2Fshop/variables"
	filtered := list + "/KUBECONFIG?filter%5Benvironment_scope%5D=%2A"
	values := object{
		"project": "apps/shop", "key": "KUBECONFIG", "value": resource.MakeSecret(resource.NewProperty("s3cret-value")),
		"variableType": "file", "masked": true, "protected": true,
	}
	s.fake.on("POST "+list, reply{http.StatusCreated, variable(nil)})
	made := s.create(projectVariableToken, values)
	same(t, "created with", s.fake.sent("POST "+list), object{
		"environment_scope": "*", "key": "KUBECONFIG", "masked": true, "protected": true, "value": "s3cret-value",
		"variable_type": "file",
	})
	if made.id != "apps/shop:KUBECONFIG:*" {
		t.Errorf("got id %s", made.id)
	}
	made.has(map[string]string{
		"value": `[secret]"s3cret-value"`, "environmentScope": `"*"`, "raw": "false", "hidden": "false", "project": `"apps/shop"`,
	})

	s.fake.on("GET "+filtered, ok(variable(nil)))
	made.refresh()
	made.unchanged(values)
	s.fake.on("GET "+filtered, ok(variable(object{"value": "changed", "protected": false})))
	made.refresh()
	made.has(map[string]string{"value": `[secret]"changed"`})
	same(t, "drift", made.diff(values).ChangedKeys, []string{"protected", "value"})
	s.fake.on("PUT "+list+"/KUBECONFIG", ok(variable(nil)))
	made.update(values)
	same(t, "mended by", s.fake.sent("PUT "+list+"/KUBECONFIG"), object{
		"environment_scope": "*", "filter": object{"environment_scope": "*"}, "masked": true, "protected": true,
		"value": "s3cret-value", "variable_type": "file",
	})
	made.unchanged(values)

	for input, value := range map[string]any{"key": "OTHER", "project": "x"} {
		changed := object{}
		for key, old := range values {
			changed[key] = old
		}
		changed[input] = value
		same(t, "replaced for "+input, made.diff(changed).ReplaceKeys, []string{input})
	}

	s.fake.on("DELETE "+filtered, reply{http.StatusNoContent, nil})
	made.remove()
	s.fake.on("DELETE "+filtered, missing)
	made.remove()
	s.fake.on("GET "+filtered, missing)
	if made.refresh() {
		t.Error("a variable that is gone is still there")
	}
}

func TestAValueThatCannotBeMasked(t *testing.T) {
	s := newStack(t)
	s.fake.on("POST /projects/42/variables", reply{http.StatusBadRequest, object{"message": object{"value": []any{"is invalid"}}}})
	_, err := s.try(projectVariableToken, object{
		"project": "42", "key": "TOKEN", "value": resource.MakeSecret(resource.NewProperty("two words")), "masked": true,
	})
	contains(t, err, "cannot create variable TOKEN of project 42", "/projects/42/variables: 400", "value: [is invalid]",
		"one line without spaces")
	if strings.Contains(err.Error(), "two words") {
		t.Errorf("the error tells the value: %v", err)
	}
	_, failures := s.check(projectVariableToken, object{
		"project": "42", "key": "A-B", "value": "x", "hidden": true, "variableType": "dir",
	})
	for _, part := range []string{`key: got "A-B"`, "hidden: the lab's stand-in", "variableType: got"} {
		if !strings.Contains(failures, part) {
			t.Errorf("got %q, wanted %q in it", failures, part)
		}
	}
}

func TestUserRunner(t *testing.T) {
	s := newStack(t)
	values := object{
		"runnerType": "project_type", "projectId": 42, "description": "docker", "locked": true, "untagged": true,
	}
	details := object{
		"id": 9, "runner_type": "project_type", "description": "docker", "tag_list": []any{"a", "b"}, "run_untagged": true,
		"paused": false, "locked": true, "access_level": "not_protected", "maximum_timeout": 3600, "maintenance_note": nil,
		"projects": []any{object{"id": 42}}, "groups": []any{},
	}
	s.fake.on("POST /user/runners", reply{http.StatusCreated, object{"id": 9, "token": "glrt-secret", "token_expires_at": nil}})
	s.fake.on("GET /runners/9", ok(details))
	runner := s.create(userRunnerToken, values)
	same(t, "created with", s.fake.sent("POST /user/runners"), object{
		"description": "docker", "locked": true, "project_id": 42, "run_untagged": true, "runner_type": "project_type",
	})
	runner.has(map[string]string{
		"token": `[secret]"glrt-secret"`, "accessLevel": `"not_protected"`, "tagLists": `["a","b"]`, "paused": "false", "projectId": "42",
	})
	runner.refresh()
	runner.unchanged(values)
	runner.has(map[string]string{"token": `[secret]"glrt-secret"`})

	changed := object{"runnerType": "project_type", "projectId": 43, "description": "docker"}
	if got := runner.diff(changed).ReplaceKeys; !slices.Contains(got, resource.PropertyKey("projectId")) {
		t.Errorf("another project: replaced for %v", got)
	}

	details["paused"], details["description"] = true, "changed"
	runner.refresh()
	same(t, "drift", runner.diff(values).ChangedKeys, []string{"description"})
	s.fake.on("PUT /runners/9", ok(details))
	details["description"] = "docker"
	runner.update(values)
	same(t, "mended by", s.fake.sent("PUT /runners/9"), object{"description": "docker"})
	runner.has(map[string]string{"token": `[secret]"glrt-secret"`, "paused": "true"})

	s.fake.on("DELETE /runners/9", reply{http.StatusNoContent, nil})
	runner.remove()
	s.fake.on("GET /runners/9", missing)
	if runner.refresh() {
		t.Error("a runner that is gone is still there")
	}

	_, failures := s.check(userRunnerToken, object{"runnerType": "instance_type", "groupId": 1, "maximumTimeout": 5})
	for _, part := range []string{"runnerType: got", "groupId: the lab's", "maximumTimeout: the lab's"} {
		if !strings.Contains(failures, part) {
			t.Errorf("got %q, wanted %q in it", failures, part)
		}
	}
}

func TestARunnerThatCannotBeReadIsNotLeftBehind(t *testing.T) {
	s := newStack(t)
	s.fake.on("POST /user/runners", reply{http.StatusCreated, object{"id": 9, "token": "glrt-secret"}})
	s.fake.on("GET /runners/9", reply{http.StatusForbidden, object{"message": "403 Forbidden"}})
	s.fake.on("DELETE /runners/9", reply{http.StatusNoContent, nil})
	_, err := s.try(userRunnerToken, object{"runnerType": "project_type", "projectId": 42})
	contains(t, err, "cannot create runner", "/runners/9: 403", "403 Forbidden")
	same(t, "asked", s.fake.requests(), []string{"POST /user/runners", "GET /runners/9", "DELETE /runners/9"})
}

// TestLists goes through the life of every resource that is made in a list and can only be replaced.
func TestLists(t *testing.T) {
	cases := map[string]struct {
		token      tokens.Type
		values     object
		list, item string
		sent, told object
		id         string
		outputs    map[string]string
		// replaced are other values, each of which needs a new resource.
		replaced object
	}{
		"deploy token": {
			token: projectDeployTokenToken,
			values: object{
				"project": "42", "name": "pull", "scopes": []any{"read_registry"},
			},
			list: "/projects/42/deploy_tokens", item: "/projects/42/deploy_tokens/5",
			sent: object{"name": "pull", "scopes": []any{"read_registry"}},
			told: object{
				"id": 5, "name": "pull", "scopes": []any{"read_registry"}, "expires_at": nil, "revoked": false,
				"expired": false, "username": "gitlab+deploy-token-5", "token": "gldt-secret",
			},
			id: "42:5", outputs: map[string]string{"token": `[secret]"gldt-secret"`, "username": `"gitlab+deploy-token-5"`},
			replaced: object{"project": "43", "scopes": []any{"read_repository"}, "name": "x"},
		},
		"cluster agent": {
			token: clusterAgentToken, values: object{"project": "apps/shop", "name": "lab"},
			list: "/projects/apps%2Fshop/cluster_agents", item: "/projects/apps%2Fshop/cluster_agents/8", sent: object{"name": "lab"},
			told: object{"id": 8, "name": "lab", "created_at": "2026-11-24T09:00:00.000Z", "created_by_user_id": 1},
			id:   "apps/shop:8", outputs: map[string]string{"agentId": "8", "createdByUserId": "1"},
			replaced: object{"project": "43", "name": "x"},
		},
		"cluster agent token": {
			token: clusterAgentTokenToken, values: object{"project": "42", "agentId": 8, "name": "lab", "description": "the lab's"},
			list: "/projects/42/cluster_agents/8/tokens", item: "/projects/42/cluster_agents/8/tokens/9",
			sent: object{"description": "the lab's", "name": "lab"},
			told: object{
				"id": 9, "name": "lab", "description": "the lab's", "agent_id": 8, "status": "active", "last_used_at": nil,
				"created_by_user_id": 1, "token": "glagent-secret",
			},
			id: "42:8:9", outputs: map[string]string{"token": `[secret]"glagent-secret"`, "tokenId": "9", "status": `"active"`},
			replaced: object{"project": "43", "agentId": 9, "name": "x", "description": "y"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			s.fake.on("POST "+c.list, reply{http.StatusCreated, c.told})
			made := s.create(c.token, c.values)
			same(t, "created with", s.fake.sent("POST "+c.list), c.sent)
			if string(made.id) != c.id {
				t.Errorf("got id %s, want %s", made.id, c.id)
			}
			made.has(c.outputs)

			// A token is told once.
			later := object{}
			for key, value := range c.told {
				if key != "token" {
					later[key] = value
				}
			}
			s.fake.on("GET "+c.item, ok(later))
			made.refresh()
			made.unchanged(c.values)
			made.has(c.outputs)

			for input, value := range c.replaced {
				changed := object{}
				for key, old := range c.values {
					changed[key] = old
				}
				changed[input] = value
				parsed := made.diff(changed).ReplaceKeys
				if len(parsed) == 0 || !strings.HasPrefix(string(parsed[0]), input) {
					t.Errorf("another %s: replaced for %v", input, parsed)
				}
			}

			imported, err := s.provider.Read(t.Context(), plugin.ReadRequest{URN: urn(c.token), ID: made.id, Type: c.token})
			if err != nil {
				t.Fatal(err)
			}
			for input := range c.values {
				if _, read := imported.Inputs[resource.PropertyKey(input)]; !read {
					t.Errorf("imported without %s: %v", input, imported.Inputs)
				}
			}

			s.fake.on("DELETE "+c.item, reply{http.StatusNoContent, nil})
			made.remove()
			s.fake.on("DELETE "+c.item, missing)
			made.remove()
			s.fake.on("DELETE "+c.item, reply{http.StatusForbidden, object{"message": "403 Forbidden"}})
			contains(t, made.tryDelete(), "cannot delete", "403 Forbidden", "DELETE")
			s.fake.on("GET "+c.item, reply{http.StatusBadRequest, object{"error": "no"}})
			_, err = s.provider.Read(t.Context(), plugin.ReadRequest{
				URN: urn(c.token), ID: made.id, Type: c.token, Inputs: made.inputs, State: made.outputs,
			})
			contains(t, err, "cannot read", "400")
			s.fake.on("GET "+c.item, missing)
			if made.refresh() {
				t.Error("what is gone is still there")
			}
			s.fake.on("POST "+c.list, reply{http.StatusNotFound, object{"message": "404 Project Not Found"}})
			_, err = s.try(c.token, c.values)
			contains(t, err, "cannot create", "POST", "404")
		})
	}
}

func TestARevokedAgentTokenIsGone(t *testing.T) {
	s := newStack(t)
	s.fake.on("POST /projects/42/cluster_agents/8/tokens", reply{http.StatusCreated, object{"id": 9, "token": "glagent-secret"}})
	token := s.create(clusterAgentTokenToken, object{"project": "42", "agentId": 8, "name": "lab"})
	s.fake.on("GET /projects/42/cluster_agents/8/tokens/9", ok(object{"id": 9, "status": "revoked"}))
	if token.refresh() {
		t.Error("a revoked token is still there")
	}
}

func TestImporting(t *testing.T) {
	s := newStack(t)
	imports := func(token tokens.Type, id string) plugin.ReadResponse {
		read, err := s.provider.Read(t.Context(), plugin.ReadRequest{URN: urn(token), ID: resource.ID(id), Type: token})
		if err != nil {
			t.Fatal(err)
		}
		return read
	}
	s.fake.on("GET /projects/apps%2Fshop", ok(theProject(nil)))
	project := imports(projectToken, "apps/shop")
	if project.ID != "42" || project.Inputs["namespaceId"].NumberValue() != 7 || !project.Outputs["runnersToken"].IsSecret() {
		t.Errorf("got %s, %v", project.ID, project.Inputs)
	}
	if _, given := project.Inputs["runnersToken"]; given {
		t.Error("an output is among the inputs")
	}
	// What a program gives of it is no difference; what it leaves out GitLab has a value of its own for.
	diff, err := s.provider.Diff(t.Context(), plugin.DiffRequest{
		URN: urn(projectToken), ID: project.ID, Type: projectToken, OldInputs: project.Inputs, OldOutputs: project.Outputs,
		NewInputs: s.inputs(projectToken, object{"name": "shop", "path": "shop", "namespaceId": 7}),
	})
	if err != nil || slices.Contains(diff.ChangedKeys, "namespaceId") || len(diff.ReplaceKeys) > 0 {
		t.Errorf("got %v, %v", diff.DetailedDiff, err)
	}
	s.fake.on("GET /groups/7", ok(theGroup(nil)))
	if group := imports(groupToken, "7"); group.Inputs["path"].StringValue() != "apps" {
		t.Errorf("got %v", group.Inputs)
	}
	s.fake.on("GET /projects/42/protected_branches/main", ok(protection(40, 30, false)))
	branch := imports(branchProtectionToken, "42:main")
	if branch.Inputs["project"].StringValue() != "42" || branch.Inputs["pushAccessLevel"].StringValue() != "maintainer" {
		t.Errorf("got %v", branch.Inputs)
	}
	s.fake.on("GET /projects/42/variables/KUBECONFIG?filter%5Benvironment_scope%5D=prod%2F%2A", ok(variable(object{"environment_scope": "prod/*"})))
	if read := imports(projectVariableToken, "42:KUBECONFIG:prod/*"); read.Inputs["environmentScope"].StringValue() != "prod/*" {
		t.Errorf("got %v", read.Inputs)
	}
	s.fake.on("GET /runners/9", ok(object{"id": 9, "runner_type": "project_type", "projects": []any{object{"id": 42}}}))
	if read := imports(userRunnerToken, "9"); read.Inputs["projectId"].NumberValue() != 42 {
		t.Errorf("got %v", read.Inputs)
	}
	_, err = s.provider.Read(t.Context(), plugin.ReadRequest{URN: urn(branchProtectionToken), ID: "42", Type: branchProtectionToken})
	contains(t, err, "expected project:branch")
	_, err = s.provider.Read(t.Context(), plugin.ReadRequest{URN: urn(clusterAgentToken), ID: "42", Type: clusterAgentToken})
	contains(t, err, "expected project:number")
}

func TestAnOverloadedServerIsAskedAgain(t *testing.T) {
	s := newStack(t)
	s.fake.on("POST /projects/1/cluster_agents",
		reply{http.StatusTooManyRequests, nil}, reply{http.StatusCreated, object{"id": 8, "name": "lab"}})
	s.create(clusterAgentToken, object{"project": "1", "name": "lab"})
	same(t, "asked", len(s.fake.requests()), 2)
}

func TestACancelledRequestEnds(t *testing.T) {
	s := newStack(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.provider.Create(ctx, plugin.CreateRequest{
		URN: urn(groupToken), Type: groupToken, Properties: s.inputs(groupToken, object{"name": "g", "path": "g"}),
	})
	contains(t, err, "cannot create group g", "context canceled")
}

// TestEveryPerformedInputIsTold finds inputs that would be dropped in silence.
func TestEveryPerformedInputIsTold(t *testing.T) {
	parsed, err := standin.ParseSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{}
	for token, m := range map[string]mapping{
		groupToken:           newGroups(s, parsed.Resources[groupToken]).mapping,
		projectToken:         newProjects(s, parsed.Resources[projectToken]).mapping,
		projectVariableToken: newVariables(s, parsed.Resources[projectVariableToken]).mapping,
	} {
		for _, name := range Package().Resources[token].Performed {
			told := m.told(resource.PropertyMap{resource.PropertyKey(name): resource.NewProperty("x")})
			if _, ok := told[m.attribute(name)]; ok == slices.Contains(m.silent, name) {
				t.Errorf("%s.%s: told %v", token, name, told)
			}
		}
	}
}
