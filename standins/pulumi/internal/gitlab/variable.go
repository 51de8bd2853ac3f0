package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"gitlab.com/gitlab-org/api/client-go"

	"auto-devops/standins/pulumi/internal/standin"
)

// variables performs the CI/CD variables of projects. GitLab knows one by its key, and the environments it is for.
type variables struct {
	*server
	mapping
}

const maskedHint = "a masked variable's value must be one line without spaces, at least 8 characters long, and not match a " +
	"variable's name (https://docs.gitlab.com/ci/variables/#mask-a-cicd-variable)"

var variableKey = regexp.MustCompile(`^[A-Za-z0-9_]{1,255}$`)

func checkVariable(inputs resource.PropertyMap) []plugin.CheckFailure {
	failures := oneOf(inputs, "variableType", "env_var", "file")
	if key, given := inputs["key"]; given && !variableKey.MatchString(key.StringValue()) {
		failures = append(failures, failure("key", "got %q; only A-Z, a-z, 0-9 and _ are allowed, at most 255", key.StringValue())...)
	}
	return failures
}

func (v variables) list(project string) string { return join("projects", project, "variables") }

// filter chooses the variable for these environments: there may be several with one key.
func filter(scope string) *gitlab.GetProjectVariableOptions {
	return &gitlab.GetProjectVariableOptions{Filter: &gitlab.VariableFilter{EnvironmentScope: scope}}
}

func (v variables) describe(inputs resource.PropertyMap) string {
	return fmt.Sprintf("variable %s of project %s (environments %s)", str(inputs, "key"), str(inputs, "project"),
		str(inputs, "environmentScope"))
}

// masking adds what a masked value must be like to GitLab's refusal of one.
func masking(err error, inputs resource.PropertyMap) error {
	if flag(inputs, "masked") && gitlab.HasStatusCode(err, http.StatusBadRequest) && strings.Contains(err.Error(), "value") {
		return fmt.Errorf("%w; %s", err, maskedHint)
	}
	return err
}

func (v variables) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	project := str(call.Inputs, "project")
	made, err := v.request(ctx, http.MethodPost, v.list(project), v.told(call.Inputs))
	if err != nil {
		return "", nil, fmt.Errorf("cannot create %s: %w", v.describe(call.Inputs), masking(err, call.Inputs))
	}
	id := strings.Join([]string{project, str(call.Inputs, "key"), str(call.Inputs, "environmentScope")}, ":")
	return id, v.found(made, call.Inputs), nil
}

func (v variables) parts(id string) (project, key, scope string, err error) {
	parts := strings.SplitN(id, ":", 3)
	if len(parts) < 2 {
		return "", "", "", fmt.Errorf("the id %q of a variable: expected project:key:environmentScope", id)
	}
	if len(parts) == 2 {
		parts = append(parts, "*")
	}
	return parts[0], parts[1], parts[2], nil
}

func (v variables) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	project, key, scope, err := v.parts(call.ID)
	if err != nil {
		return nil, false, err
	}
	found, err := v.request(ctx, http.MethodGet, v.list(project)+"/"+join(key), filter(scope))
	if isGone(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read %s: %w", v.describe(call.Inputs), err)
	}
	return v.found(found, call.Inputs), true, nil
}

func (v variables) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	project, key, scope, err := v.parts(call.ID)
	if err != nil {
		return nil, err
	}
	// All of it, as officially: whether a value may be masked depends on the value.
	body := v.told(call.Inputs)
	delete(body, "key")
	body["filter"] = map[string]any{"environment_scope": scope}
	found, err := v.request(ctx, http.MethodPut, v.list(project)+"/"+join(key), body)
	if err != nil {
		return nil, fmt.Errorf("cannot update %s: %w", v.describe(call.Inputs), masking(err, call.Inputs))
	}
	return v.found(found, call.Inputs), nil
}

func (v variables) remove(ctx context.Context, call *standin.Call) error {
	project, key, scope, err := v.parts(call.ID)
	if err != nil {
		return err
	}
	_, err = v.request(ctx, http.MethodDelete, v.list(project)+"/"+join(key), filter(scope))
	if err != nil && !isGone(err) {
		return fmt.Errorf("cannot delete %s: %w", v.describe(call.Inputs), err)
	}
	return nil
}

func (v variables) imported(id string) (resource.PropertyMap, error) {
	project, key, scope, err := v.parts(id)
	return resource.PropertyMap{
		"project":          resource.NewProperty(project),
		"key":              resource.NewProperty(key),
		"environmentScope": resource.NewProperty(scope),
	}, err
}

func (v variables) performed() *standin.Resource {
	return &standin.Resource{
		Performed: strings.Fields("key masked project protected raw value variableType"),
		Defaults:  resource.PropertyMap{"environmentScope": resource.NewProperty("*")},
		Replaces:  []string{"project", "key"},
		Mended:    v.mended(),
		Check:     checkVariable,
		Diff:      v.diff,
		Create:    v.create,
		Read:      v.read,
		Update:    v.update,
		Delete:    v.remove,
		Import:    v.imported,
	}
}
