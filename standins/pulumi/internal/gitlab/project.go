package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"auto-devops/standins/pulumi/internal/standin"
)

// projects performs projects.
type projects struct {
	container
	mapping
}

func newProjects(s *server, schema *standin.ResourceSchema) projects {
	return projects{
		container: container{server: s, noun: "project", path: "projects", fullPath: "path_with_namespace",
			option: "permanentlyDeleteOnDestroy"},
		mapping: mapping{
			schema:  schema,
			renamed: map[string]string{"visibilityLevel": "visibility", "publicBuilds": "public_jobs"},
			silent: []string{
				"archiveOnDestroy", "initializeWithReadme", "permanentlyDeleteOnDestroy", "skipWaitForDefaultBranchProtection",
			},
			refine: func(found answer) {
				if namespace, ok := found["namespace"].(map[string]any); ok {
					found["namespace_id"] = namespace["id"]
				}
			},
		},
	}
}

func checkProject(inputs resource.PropertyMap) []plugin.CheckFailure {
	failures := oneOf(inputs, "visibilityLevel", "private", "internal", "public")
	if flag(inputs, "initializeWithReadme") {
		failures = append(failures, failure("initializeWithReadme", "the lab's stand-in leaves repositories empty")...)
	}
	return failures
}

func (p projects) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	name := str(call.Inputs, "name")
	fail := func(err error) (string, resource.PropertyMap, error) {
		return "", nil, fmt.Errorf("cannot create project %s: %w", name, err)
	}
	made, err := p.request(ctx, http.MethodPost, "projects", p.told(call.Inputs))
	if err != nil {
		return fail(err)
	}
	id := text(made["id"])
	// What GitLab says of a new project is not all it says of one.
	found, err := p.get(ctx, id)
	if err == nil && found == nil {
		err = fmt.Errorf("it vanished as soon as it was made")
	}
	if err != nil {
		return fail(err)
	}
	return id, p.found(found, call.Inputs), nil
}

func (p projects) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	found, err := p.get(ctx, call.ID)
	if err != nil {
		return nil, false, fmt.Errorf("cannot read project %s: %w", call.ID, err)
	}
	if found == nil || markedOn(found) != "" {
		return nil, false, nil
	}
	call.ID = text(found["id"])
	return p.found(found, call.Inputs), true, nil
}

func (p projects) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	fail := func(err error) (resource.PropertyMap, error) {
		return nil, fmt.Errorf("cannot update project %s (%s): %w", str(call.Inputs, "name"), call.ID, err)
	}
	path := join("projects", call.ID)
	changes := p.changed(call.OldInputs, call.Inputs)
	if namespace, moved := changes["namespaceId"]; moved {
		body := map[string]any{"namespace": namespace.NumberValue()}
		if _, err := p.request(ctx, http.MethodPut, path+"/transfer", body); err != nil {
			return fail(err)
		}
		delete(changes, "namespaceId")
	}
	if body := p.told(changes); len(body) > 0 {
		if _, err := p.request(ctx, http.MethodPut, path, body); err != nil {
			return fail(err)
		}
	}
	found, err := p.get(ctx, call.ID)
	if err == nil && found == nil {
		err = fmt.Errorf("GitLab has it no more")
	}
	if err != nil {
		return fail(err)
	}
	return p.found(found, call.Inputs), nil
}

func (p projects) remove(ctx context.Context, call *standin.Call) error {
	return p.container.remove(ctx, call, str(call.Inputs, "name"), flag(call.Inputs, "permanentlyDeleteOnDestroy"))
}

func (p projects) performed() *standin.Resource {
	return &standin.Resource{
		Performed: strings.Fields(
			"autoDevopsEnabled initializeWithReadme name namespaceId path permanentlyDeleteOnDestroy visibilityLevel"),
		Autonamed: true,
		Mended:    p.mended(),
		Check:     checkProject,
		Diff:      p.diff,
		Create:    p.create,
		Read:      p.read,
		Update:    p.update,
		Delete:    p.remove,
		Import:    func(string) (resource.PropertyMap, error) { return resource.PropertyMap{}, nil },
	}
}
