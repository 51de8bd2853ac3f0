package standin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

const testSchema = `{
 "name": "test",
 "provider": {"inputProperties": {
   "host": {"type": "string", "defaultInfo": {"environment": ["STANDIN_TEST_HOST"]}},
   "auth": {"type": "array", "items": {"$ref": "#/types/test:Auth"}}, "proxy": {"type": "string"}}},
 "resources": {"test:index:Thing": {
  "inputProperties": {
   "name": {"type": "string", "willReplaceOnChanges": true},
   "size": {"type": "integer"},
   "token": {"type": "string", "secret": true},
   "mode": {"$ref": "#/types/test:Mode"},
   "link": {"$ref": "#/types/test:Link"},
   "tags": {"type": "array", "items": {"type": "string"}, "willReplaceOnChanges": true},
   "extra": {"type": "string"},
   "anything": {"$ref": "pulumi.json#/Any"},
   "settings": {"type": "object", "additionalProperties": {"type": "string"}}},
  "properties": {
   "name": {"type": "string"}, "size": {"type": "integer"}, "token": {"type": "string", "secret": true},
   "mode": {"$ref": "#/types/test:Mode"}, "link": {"$ref": "#/types/test:Link"}, "extra": {"type": "string"},
   "tags": {"type": "array", "items": {"type": "string"}}, "made": {"type": "string", "secret": true},
   "number": {"type": "integer"}},
  "required": ["made", "number", "name"],
  "requiredInputs": ["link"]}},
 "types": {
  "test:Auth": {"type": "object", "properties": {"address": {"type": "string"}}, "required": ["address"]},
  "test:Mode": {"type": "string", "enum": [{"value": "fast"}, {"value": "slow"}]},
  "test:Link": {"type": "object", "required": ["host"], "properties": {
    "host": {"type": "string"}, "port": {"type": "number", "default": 22},
    "key": {"type": "string", "secret": true}, "path": {"type": "string", "willReplaceOnChanges": true}}}}}`

const thing = "test:index:Thing"

var thingURN = resource.NewURN("dev", "project", "", thing, "web")

func newProvider(t *testing.T, performed *Resource) *Provider {
	t.Helper()
	if performed.Performed == nil {
		performed.Performed = []string{"name", "size", "token", "mode", "link", "tags", "anything", "settings"}
	}
	provider, err := New(&Package{
		Version: "1.2.3", Schema: []byte(testSchema), ConfigPerformed: []string{"host", "auth"},
		Resources: map[string]*Resource{thing: performed},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

func inputs(values map[string]any) resource.PropertyMap {
	return resource.NewPropertyMapFromMap(values)
}

func link(more map[string]any) map[string]any {
	values := map[string]any{"link": map[string]any{"host": "h"}}
	for key, value := range more {
		values[key] = value
	}
	return values
}

func check(t *testing.T, performed *Resource, olds, news resource.PropertyMap) plugin.CheckResponse {
	t.Helper()
	response, err := newProvider(t, performed).Check(t.Context(), plugin.CheckRequest{
		URN: thingURN, Name: "web", Type: thing, Olds: olds, News: news, RandomSeed: []byte("seed"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func reasons(failures []plugin.CheckFailure) string {
	var all []string
	for _, failure := range failures {
		all = append(all, string(failure.Property)+": "+failure.Reason)
	}
	return strings.Join(all, "\n")
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	secretValue := resource.MakeSecret(resource.NewProperty("hunter2hunter2"))
	cases := map[string]struct {
		news resource.PropertyMap
		want []string
	}{
		"missing":               {inputs(map[string]any{}), []string{"link: missing required property"}},
		"missing nested":        {inputs(map[string]any{"link": map[string]any{}}), []string{"link.host: missing required property"}},
		"unknown":               {inputs(link(map[string]any{"sise": 1})), []string{"sise: unknown property (did you mean size?)", "allowed: anything"}},
		"unknown, none near":    {inputs(link(map[string]any{"zzzzzzzz": 1})), []string{"zzzzzzzz: unknown property; allowed"}},
		"unknown nested":        {inputs(map[string]any{"link": map[string]any{"host": "h", "prt": 1}}), []string{"link.prt: unknown property (did you mean port?)"}},
		"wrong type":            {inputs(link(map[string]any{"size": "big"})), []string{"size: expected integer, got string"}},
		"not whole":             {inputs(link(map[string]any{"size": 1.5})), []string{"size: expected integer, got 1.5"}},
		"wrong item":            {inputs(link(map[string]any{"tags": []any{"a", 2}})), []string{"tags[1]: expected string, got number"}},
		"wrong entry":           {inputs(link(map[string]any{"settings": map[string]any{"a": true}})), []string{"settings.a: expected string, got bool"}},
		"enum":                  {inputs(link(map[string]any{"mode": "medium"})), []string{"mode: got medium, allowed: fast, slow"}},
		"not performed":         {inputs(link(map[string]any{"extra": "x"})), []string{"extra: the lab's stand-in for pulumi-resource-test does not perform", "official plugin does"}},
		"nested, not performed": {inputs(map[string]any{"link": map[string]any{"host": "h", "path": "p"}}), []string{"link.path: the lab's"}},
		"own check":             {inputs(link(map[string]any{"size": 99})), []string{"size: too big"}},
		"all at once":           {inputs(link(map[string]any{"size": 99, "extra": "x"})), []string{"size: too big", "extra: the lab's"}},
		"secret enum":           {resource.PropertyMap{"link": inputs(link(nil))["link"], "mode": secretValue}, []string{": mode: got [secret], allowed"}},
		"secret, unknown":       {resource.PropertyMap{"link": inputs(link(nil))["link"], "toke": secretValue}, []string{": toke: unknown property (did you mean token?)"}},
	}
	performed := &Resource{
		Performed: []string{"size", "mode", "link.host", "link.port", "tags", "settings"},
		Check: func(given resource.PropertyMap) []plugin.CheckFailure {
			if size, ok := given["size"]; ok && size.NumberValue() > 10 {
				return []plugin.CheckFailure{{Property: "size", Reason: "too big"}}
			}
			return nil
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			got := reasons(check(t, performed, nil, test.news).Failures)
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", got, want)
				}
			}
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is in %q", got)
			}
		})
	}
}

func TestCheckFillsDefaultsAndMarksSecrets(t *testing.T) {
	response := check(t, &Resource{}, nil, inputs(map[string]any{
		"link": map[string]any{"host": "h", "key": "k"}, "token": "t", "anything": []any{1, "two"},
	}))
	if len(response.Failures) > 0 {
		t.Fatal(reasons(response.Failures))
	}
	link := response.Properties["link"].ObjectValue()
	if link["port"].NumberValue() != 22 || !link["key"].IsSecret() || !response.Properties["token"].IsSecret() {
		t.Errorf("got %v", response.Properties)
	}
}

func TestCheckLeavesUnknownValuesAlone(t *testing.T) {
	unknown := resource.MakeComputed(resource.NewProperty(""))
	response := check(t, &Resource{}, nil, resource.PropertyMap{"link": unknown, "size": unknown})
	if len(response.Failures) > 0 || !response.Properties["size"].IsComputed() {
		t.Errorf("got %v, %s", response.Properties, reasons(response.Failures))
	}
}

func TestAutonameIsKept(t *testing.T) {
	performed := &Resource{Autonamed: true}
	first := check(t, performed, nil, inputs(link(nil))).Properties
	name := first["name"].StringValue()
	if !strings.HasPrefix(name, "web-") || len(name) != len("web-")+7 {
		t.Errorf("got name %q", name)
	}
	if second := check(t, performed, first, inputs(link(nil))).Properties; second["name"].StringValue() != name {
		t.Errorf("got %q at the second check, want %q", second["name"].StringValue(), name)
	}
	// A name that the program gave and then dropped is not an automatic one.
	given := check(t, performed, nil, inputs(link(map[string]any{"name": "own"}))).Properties
	if third := check(t, performed, given, inputs(link(nil))).Properties; third["name"].StringValue() == "own" {
		t.Error("the dropped name was kept")
	}
}

func diffOf(t *testing.T, performed *Resource, olds, news resource.PropertyMap) plugin.DiffResult {
	t.Helper()
	result, err := newProvider(t, performed).Diff(t.Context(), plugin.DiffRequest{
		URN: thingURN, Name: "web", Type: thing, ID: "id", OldInputs: olds, OldOutputs: olds, NewInputs: news,
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestDiff(t *testing.T) {
	unknown := resource.MakeComputed(resource.NewProperty(""))
	auto := map[string]any{"name": "web-1", "__defaults": []any{"name"}}
	cases := map[string]struct {
		performed    Resource
		olds, news   resource.PropertyMap
		changed      string
		replaced     string
		deletesFirst bool
	}{
		"same":              {Resource{}, inputs(link(nil)), inputs(link(nil)), "", "", false},
		"same but secret":   {Resource{}, inputs(link(map[string]any{"token": "a"})), resource.PropertyMap{"link": inputs(link(nil))["link"], "token": resource.MakeSecret(resource.NewProperty("a"))}, "", "", false},
		"updated":           {Resource{}, inputs(map[string]any{"size": 1}), inputs(map[string]any{"size": 2}), "size", "", false},
		"added":             {Resource{}, inputs(map[string]any{}), inputs(map[string]any{"size": 2}), "size", "", false},
		"removed":           {Resource{}, inputs(map[string]any{"size": 2}), inputs(map[string]any{}), "size", "", false},
		"unknown":           {Resource{}, inputs(map[string]any{"name": "a"}), resource.PropertyMap{"name": unknown}, "name", "name", false},
		"replaced":          {Resource{}, inputs(map[string]any{"tags": []any{"a"}}), inputs(map[string]any{"tags": []any{"b"}}), "tags[0]", "tags[0]", false},
		"nested update":     {Resource{}, inputs(link(nil)), inputs(map[string]any{"link": map[string]any{"host": "i"}}), "link.host", "", false},
		"nested replace":    {Resource{}, inputs(link(nil)), inputs(map[string]any{"link": map[string]any{"host": "h", "path": "p"}}), "link.path", "link.path", false},
		"a set":             {Resource{Unordered: []string{"tags"}}, inputs(map[string]any{"tags": []any{"a", "b"}}), inputs(map[string]any{"tags": []any{"b", "a"}}), "", "", false},
		"a list":            {Resource{}, inputs(map[string]any{"tags": []any{"a", "b"}}), inputs(map[string]any{"tags": []any{"b", "a"}}), "tags[0],tags[1]", "tags[0],tags[1]", false},
		"to the default":    {Resource{Defaults: inputs(map[string]any{"size": 3})}, inputs(map[string]any{}), inputs(map[string]any{"size": 3}), "", "", false},
		"table: in place":   {Resource{InPlace: []string{"size"}}, inputs(map[string]any{"size": 1}), inputs(map[string]any{"size": 2}), "size", "", false},
		"table: replaced":   {Resource{InPlace: []string{"name"}}, inputs(map[string]any{"size": 1}), inputs(map[string]any{"size": 2}), "size", "size", false},
		"own name":          {Resource{Autonamed: true}, inputs(map[string]any{"name": "n", "tags": []any{"a"}}), inputs(map[string]any{"name": "n", "tags": []any{"b"}}), "tags[0]", "tags[0]", true},
		"own name, updated": {Resource{Autonamed: true}, inputs(map[string]any{"name": "n", "size": 1}), inputs(map[string]any{"name": "n", "size": 2}), "size", "", false},
		"new name":          {Resource{Autonamed: true}, inputs(map[string]any{"name": "n"}), inputs(map[string]any{"name": "m"}), "name", "name", false},
		"automatic name":    {Resource{Autonamed: true}, overlay(inputs(auto), inputs(map[string]any{"tags": []any{"a"}})), overlay(inputs(auto), inputs(map[string]any{"tags": []any{"b"}})), "tags[0]", "tags[0]", false},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			result := diffOf(t, &test.performed, test.olds, test.news)
			keys := func(keys []resource.PropertyKey) string {
				texts := make([]string, len(keys))
				for i, key := range keys {
					texts[i] = string(key)
				}
				return strings.Join(texts, ",")
			}
			if got := keys(result.ChangedKeys); got != test.changed {
				t.Errorf("changed: got %q, want %q", got, test.changed)
			}
			if got := keys(result.ReplaceKeys); got != test.replaced {
				t.Errorf("replaced: got %q, want %q", got, test.replaced)
			}
			if result.DeleteBeforeReplace != test.deletesFirst {
				t.Errorf("deleteBeforeReplace: got %v", result.DeleteBeforeReplace)
			}
			if (result.Changes == plugin.DiffSome) != (test.changed != "") {
				t.Errorf("changes: got %v", result.Changes)
			}
		})
	}
}

func TestPreviewPerformsNothing(t *testing.T) {
	performed := &Resource{
		Defaults:        inputs(map[string]any{"size": 3}),
		ChangedByUpdate: []string{"number"},
		Create: func(context.Context, *Call) (string, resource.PropertyMap, error) {
			t.Error("created")
			return "", nil, nil
		},
		Update: func(context.Context, *Call) (resource.PropertyMap, error) {
			t.Error("updated")
			return nil, nil
		},
	}
	provider := newProvider(t, performed)
	created, err := provider.Create(t.Context(), plugin.CreateRequest{
		URN: thingURN, Type: thing, Properties: inputs(link(nil)), Preview: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	made := created.Properties["made"]
	if !made.IsSecret() || !made.SecretValue().Element.IsComputed() || !created.Properties["number"].IsComputed() {
		t.Errorf("computed outputs are not unknown: %v", created.Properties)
	}
	if created.Properties["size"].NumberValue() != 3 || created.Properties.HasValue("extra") {
		t.Errorf("got %v", created.Properties)
	}
	updated, err := provider.Update(t.Context(), plugin.UpdateRequest{
		URN: thingURN, Type: thing, OldInputs: inputs(link(nil)), NewInputs: inputs(link(map[string]any{"size": 1})), Preview: true,
		OldOutputs: inputs(map[string]any{"made": "m", "number": 1, "link": map[string]any{"host": "h"}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if !updated.Properties["number"].IsComputed() || Plain(updated.Properties["made"]).StringValue() != "m" {
		t.Errorf("got %v", updated.Properties)
	}
}

func TestStateKeepsSecretsSecret(t *testing.T) {
	performed := &Resource{Create: func(_ context.Context, call *Call) (string, resource.PropertyMap, error) {
		if call.Inputs.ContainsSecrets() {
			t.Error("a resource sees secret marks")
		}
		return "id", inputs(map[string]any{"made": "m", "number": 7, "mode": "fast", "name": "other"}), nil
	}}
	given := inputs(link(map[string]any{"token": "t"}))
	given["mode"] = resource.MakeSecret(resource.NewProperty("fast"))
	given["name"] = resource.MakeSecret(resource.NewProperty("n"))
	created, err := newProvider(t, performed).Create(t.Context(), plugin.CreateRequest{
		URN: thingURN, Type: thing, Properties: given,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []resource.PropertyKey{"made", "token", "mode", "name"} {
		if !created.Properties[key].IsSecret() {
			t.Errorf("%s is not secret: %v", key, created.Properties[key])
		}
	}
	if created.Properties["number"].IsSecret() || created.Properties["link"].ContainsSecrets() {
		t.Errorf("too much is secret: %v", created.Properties)
	}
}

func TestErrorsHaveNoSecrets(t *testing.T) {
	performed := &Resource{
		Shown: []string{"link.host"},
		Create: func(_ context.Context, call *Call) (string, resource.PropertyMap, error) {
			host := call.Inputs["link"].ObjectValue()["host"].StringValue()
			return "", nil, errors.New("cannot use " + call.Inputs["token"].StringValue() + " at " + host)
		},
	}
	given := resource.PropertyMap{"link": resource.MakeSecret(inputs(map[string]any{"link": map[string]any{"host": "there"}})["link"])}
	given["token"] = resource.MakeSecret(resource.NewProperty("hunter2hunter2"))
	_, err := newProvider(t, performed).Create(t.Context(), plugin.CreateRequest{URN: thingURN, Type: thing, Properties: given})
	if err == nil || err.Error() != "cannot use [secret] at there" {
		t.Errorf("got %v", err)
	}
}

func TestUpdateCarriesComputedOutputsOnly(t *testing.T) {
	performed := &Resource{Update: func(context.Context, *Call) (resource.PropertyMap, error) {
		return inputs(map[string]any{"number": 8}), nil
	}}
	updated, err := newProvider(t, performed).Update(t.Context(), plugin.UpdateRequest{
		URN: thingURN, Type: thing, ID: "id",
		OldInputs: inputs(link(map[string]any{"size": 1})), NewInputs: inputs(link(nil)),
		OldOutputs: inputs(link(map[string]any{"size": 1, "made": "m", "number": 7})),
	})
	if err != nil {
		t.Fatal(err)
	}
	if updated.Properties.HasValue("size") || updated.Properties["number"].NumberValue() != 8 || !updated.Properties["made"].IsSecret() {
		t.Errorf("got %v", updated.Properties)
	}
}

func TestReadShowsDrift(t *testing.T) {
	gone := false
	performed := &Resource{
		Defaults: inputs(map[string]any{"mode": "slow"}),
		Mended:   []string{"size", "mode"},
		Read: func(context.Context, *Call) (resource.PropertyMap, bool, error) {
			return inputs(map[string]any{"size": 5, "mode": "fast", "number": 9}), !gone, nil
		},
	}
	request := plugin.ReadRequest{
		URN: thingURN, Type: thing, ID: "id", Inputs: inputs(link(map[string]any{"size": 1})),
		State: inputs(link(map[string]any{"size": 1, "mode": "slow", "number": 7})),
	}
	read, err := newProvider(t, performed).Read(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if read.Inputs["size"].NumberValue() != 5 || read.Inputs["mode"].StringValue() != "fast" || read.Outputs["number"].NumberValue() != 9 {
		t.Errorf("got inputs %v, outputs %v", read.Inputs, read.Outputs)
	}
	if changes := diffOf(t, performed, read.Inputs, request.Inputs); len(changes.ChangedKeys) != 2 {
		t.Errorf("the next difference has %v", changes.ChangedKeys)
	}
	gone = true
	if read, err = newProvider(t, performed).Read(t.Context(), request); err != nil || read.ID != "" {
		t.Errorf("got id %q, %v", read.ID, err)
	}
}

func TestDriftOfASecretStaysSecret(t *testing.T) {
	performed := &Resource{
		Mended: []string{"extra"},
		Read: func(context.Context, *Call) (resource.PropertyMap, bool, error) {
			return inputs(map[string]any{"extra": "changed"}), true, nil
		},
	}
	given := link(map[string]any{"extra": resource.MakeSecret(resource.NewProperty("given"))})
	read, err := newProvider(t, performed).Read(t.Context(), plugin.ReadRequest{
		URN: thingURN, Type: thing, ID: "id", Inputs: inputs(given), State: inputs(given),
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, value := range map[string]resource.PropertyValue{"inputs": read.Inputs["extra"], "outputs": read.Outputs["extra"]} {
		if !value.IsSecret() || Plain(value).StringValue() != "changed" {
			t.Errorf("in the %s: got %v", where, value)
		}
	}
}

func TestReplacementBeyondTheSchema(t *testing.T) {
	performed := &Resource{Replaces: []string{"size"}}
	old := inputs(link(map[string]any{"size": 1, "extra": "a"}))
	if diff := diffOf(t, performed, old, inputs(link(map[string]any{"size": 2, "extra": "b"}))); len(diff.ReplaceKeys) != 1 {
		t.Errorf("replaced for %v", diff.ReplaceKeys)
	}
}

func TestImport(t *testing.T) {
	performed := &Resource{
		Import: func(id string) (resource.PropertyMap, error) {
			if id == "wrong" {
				return nil, errors.New("expected another id")
			}
			return inputs(map[string]any{"name": id}), nil
		},
		Read: func(_ context.Context, call *Call) (resource.PropertyMap, bool, error) {
			call.ID = "canonical"
			found := inputs(map[string]any{"size": 5, "extra": "", "token": "hunter2hunter2", "number": 9})
			return found, call.Inputs["name"].StringValue() != "gone", nil
		},
	}
	imports := func(id string) (plugin.ReadResponse, error) {
		return newProvider(t, performed).Read(t.Context(), plugin.ReadRequest{URN: thingURN, Type: thing, ID: resource.ID(id)})
	}
	read, err := imports("web")
	if err != nil {
		t.Fatal(err)
	}
	if read.ID != "canonical" || read.Outputs["number"].NumberValue() != 9 || !read.Outputs["token"].IsSecret() {
		t.Errorf("got %s, outputs %v", read.ID, read.Outputs)
	}
	var given []string
	for key := range read.Inputs {
		given = append(given, string(key))
	}
	slices.Sort(given)
	// Neither outputs, nor what nobody has set.
	if strings.Join(given, " ") != "name size token" || !read.Inputs["token"].IsSecret() {
		t.Errorf("got inputs %v", read.Inputs)
	}
	if read, err := imports("gone"); err != nil || read.ID != "" {
		t.Errorf("got %s, %v", read.ID, err)
	}
	if _, err := imports("wrong"); err == nil || !strings.Contains(err.Error(), "expected another id") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNotPerformedIsRefused(t *testing.T) {
	provider := newProvider(t, &Resource{})
	_, created := provider.Create(t.Context(), plugin.CreateRequest{URN: thingURN, Type: "test:index:Other"})
	_, checked := provider.Check(t.Context(), plugin.CheckRequest{URN: thingURN, Type: "test:index:Other"})
	_, invoked := provider.Invoke(t.Context(), plugin.InvokeRequest{Tok: tokens.ModuleMember("test:index:getThing")})
	_, imported := provider.Read(t.Context(), plugin.ReadRequest{URN: thingURN, Type: thing, ID: "id"})
	_, constructed := provider.Construct(t.Context(), plugin.ConstructRequest{Type: "test:index:Component"})
	asked := map[string]error{
		"test:index:Other": created, "resource type": checked, "test:index:getThing": invoked, "importing": imported,
		"test:index:Component": constructed,
	}
	for want, err := range asked {
		if err == nil {
			t.Errorf("%s: no error", want)
			continue
		}
		for _, part := range []string{want, thing, "stand-in for pulumi-resource-test", "official plugin"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("got %q, want %q in it", err, part)
			}
		}
	}
}

func TestCancellationEndsWhatRuns(t *testing.T) {
	started := make(chan struct{})
	performed := &Resource{Create: func(ctx context.Context, _ *Call) (string, resource.PropertyMap, error) {
		close(started)
		<-ctx.Done()
		return "", nil, ctx.Err()
	}}
	provider := newProvider(t, performed)
	go func() {
		<-started
		_ = provider.SignalCancellation(context.Background())
	}()
	_, err := provider.Create(t.Context(), plugin.CreateRequest{URN: thingURN, Type: thing, Properties: inputs(link(nil))})
	if err == nil || !strings.Contains(err.Error(), "creating was cancelled") {
		t.Errorf("got %v", err)
	}
}

func TestTimeLimit(t *testing.T) {
	performed := &Resource{Delete: func(ctx context.Context, _ *Call) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	begin := time.Now()
	_, err := newProvider(t, performed).Delete(t.Context(), plugin.DeleteRequest{URN: thingURN, Type: thing, ID: "id", Timeout: 0.05})
	if err == nil || !strings.Contains(err.Error(), "customTimeouts") || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begin))
	}
}

func TestConfig(t *testing.T) {
	provider := newProvider(t, &Resource{})
	t.Setenv("STANDIN_TEST_HOST", "from-environment")
	news := inputs(map[string]any{"auth": `[{"address": "a"}]`, "version": "1.2.3"})
	checked, err := provider.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: news})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatal(err, reasons(checked.Failures))
	}
	if checked.Properties["host"].StringValue() != "from-environment" || !checked.Properties["auth"].IsString() {
		t.Errorf("got %v", checked.Properties)
	}
	wrong := inputs(map[string]any{"auth": `[{}]`, "proxy": "p", "hots": "x"})
	checked, err = provider.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: wrong})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"auth[0].address: missing", "proxy: the lab's stand-in", "hots: unknown property (did you mean host?)"} {
		if !strings.Contains(reasons(checked.Failures), want) {
			t.Errorf("got %s, want %q in it", reasons(checked.Failures), want)
		}
	}
	var configured resource.PropertyMap
	provider.pkg.Configure = func(config resource.PropertyMap) error {
		configured = config
		return nil
	}
	if _, err := provider.Configure(t.Context(), plugin.ConfigureRequest{Inputs: news}); err != nil {
		t.Fatal(err)
	}
	if !configured["auth"].IsArray() || configured.HasValue("version") {
		t.Errorf("got %v", configured)
	}
	changed, err := provider.DiffConfig(t.Context(), plugin.DiffConfigRequest{OldInputs: news, NewInputs: wrong})
	if err != nil || changed.Changes != plugin.DiffSome || changed.Replace() {
		t.Errorf("got %v, %v", changed, err)
	}
}
