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

// groups performs groups.
type groups struct {
	container
	mapping
}

func newGroups(s *server, schema *standin.ResourceSchema) groups {
	return groups{
		container: container{server: s, noun: "group", path: "groups", fullPath: "full_path", option: "permanentlyRemoveOnDelete"},
		mapping: mapping{
			schema:  schema,
			renamed: map[string]string{"visibilityLevel": "visibility"},
			// Of an object that is not performed, whose entries officially have other names.
			silent: []string{"archiveOnDestroy", "defaultBranchProtectionDefaults", "permanentlyRemoveOnDelete"},
		},
	}
}

func checkGroup(inputs resource.PropertyMap) []plugin.CheckFailure {
	return oneOf(inputs, "visibilityLevel", "private", "internal", "public")
}

func (g groups) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	path := str(call.Inputs, "path")
	fail := func(err error) (string, resource.PropertyMap, error) {
		return "", nil, fmt.Errorf("cannot create group %s: %w", path, err)
	}
	made, err := g.request(ctx, http.MethodPost, "groups", g.told(call.Inputs))
	if err != nil {
		return fail(err)
	}
	id := text(made["id"])
	found, err := g.get(ctx, id)
	if err == nil && found == nil {
		err = fmt.Errorf("it vanished as soon as it was made")
	}
	if err != nil {
		return fail(err)
	}
	return id, g.found(found, call.Inputs), nil
}

func (g groups) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	found, err := g.get(ctx, call.ID)
	if err != nil {
		return nil, false, fmt.Errorf("cannot read group %s: %w", call.ID, err)
	}
	if found == nil || markedOn(found) != "" {
		return nil, false, nil
	}
	call.ID = text(found["id"])
	return g.found(found, call.Inputs), true, nil
}

func (g groups) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	fail := func(err error) (resource.PropertyMap, error) {
		return nil, fmt.Errorf("cannot update group %s (%s): %w", str(call.Inputs, "path"), call.ID, err)
	}
	if body := g.told(g.changed(call.OldInputs, call.Inputs)); len(body) > 0 {
		if _, err := g.request(ctx, http.MethodPut, join("groups", call.ID), body); err != nil {
			return fail(err)
		}
	}
	found, err := g.get(ctx, call.ID)
	if err == nil && found == nil {
		err = fmt.Errorf("GitLab has it no more")
	}
	if err != nil {
		return fail(err)
	}
	return g.found(found, call.Inputs), nil
}

func (g groups) remove(ctx context.Context, call *standin.Call) error {
	return g.container.remove(ctx, call, str(call.Inputs, "path"), false)
}

func (g groups) performed() *standin.Resource {
	return &standin.Resource{
		Performed: strings.Fields("name path visibilityLevel"),
		Autonamed: true,
		Mended:    g.mended(),
		Check:     checkGroup,
		Diff:      g.diff,
		Create:    g.create,
		Read:      g.read,
		Update:    g.update,
		Delete:    g.remove,
		Import:    func(string) (resource.PropertyMap, error) { return resource.PropertyMap{}, nil },
	}
}
