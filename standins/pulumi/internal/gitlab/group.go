package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"gitlab.com/gitlab-org/api/client-go"

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
			schema:    schema,
			renamed:   map[string]string{"visibilityLevel": "visibility"},
			silent:    []string{"archiveOnDestroy", "permanentlyRemoveOnDelete"},
			converted: map[string]conversion{"defaultBranchProtectionDefaults": protectionDefaults},
		},
	}
}

func checkGroup(inputs resource.PropertyMap) []plugin.CheckFailure {
	return slices.Concat(
		oneOf(inputs, "visibilityLevel", "private", "internal", "public"),
		oneOf(inputs, "projectCreationLevel", "noone", "owner", "maintainer", "developer", "administrator"),
		oneOf(inputs, "subgroupCreationLevel", "owner", "maintainer"))
}

func (g groups) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	path := str(call.Inputs, "path")
	fail := func(err error) (string, resource.PropertyMap, error) {
		return "", nil, fmt.Errorf("cannot create group %s: %w", path, err)
	}
	first, then := split(g.told(call.Inputs), accepts(gitlab.CreateGroupOptions{}))
	made, err := g.request(ctx, http.MethodPost, "groups", first)
	if err != nil {
		return fail(err)
	}
	id := text(made["id"])
	if len(then) > 0 {
		if _, err := g.request(ctx, http.MethodPut, join("groups", id), then); err != nil {
			call.ID = id
			if undone := g.container.remove(ctx, call, path, false, true); undone != nil {
				err = fmt.Errorf("%w (and it stays behind: %w)", err, undone)
			}
			return fail(err)
		}
	}
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
	changes := g.changed(call.OldInputs, call.Inputs)
	if parent, moved := changes["parentId"]; moved {
		body := map[string]any{}
		if parent.NumberValue() != 0 {
			body["group_id"] = parent.NumberValue()
		}
		if _, err := g.request(ctx, http.MethodPost, join("groups", call.ID, "transfer"), body); err != nil {
			return fail(err)
		}
		delete(changes, "parentId")
	}
	if body := g.told(changes); len(body) > 0 {
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
	return g.container.remove(ctx, call, str(call.Inputs, "path"),
		flag(call.Inputs, "archiveOnDestroy"), flag(call.Inputs, "permanentlyRemoveOnDelete"))
}

func (g groups) performed() *standin.Resource {
	return &standin.Resource{
		Autonamed: true,
		NotPerformed: []string{
			"allowedEmailDomainsLists", "avatar", "avatarHash", "defaultBranchProtection", "ipRestrictionRanges", "pushRules",
		},
		Mended: g.mended(),
		Check:  checkGroup,
		Diff:   g.diff,
		Create: g.create,
		Read:   g.read,
		Update: g.update,
		Delete: g.remove,
		Import: func(string) (resource.PropertyMap, error) { return resource.PropertyMap{}, nil },
	}
}
