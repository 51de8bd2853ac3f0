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

// branches performs the protection of branches, as GitLab's Community Edition has it: by access levels.
type branches struct {
	*server
	mapping
}

func branchMapping(schema *standin.ResourceSchema) mapping {
	return mapping{
		schema: schema,
		renamed: map[string]string{
			"branch": "name", "branchProtectionId": "id", "pushAccessLevel": "push_access_level",
		},
		silent:    []string{"project", "allowedToMerges", "allowedToPushes", "allowedToUnprotects"},
		converted: map[string]conversion{"pushAccessLevel": accessLevel, "mergeAccessLevel": accessLevel},
		refine: func(found answer) {
			for _, action := range []string{"push", "merge"} {
				if number, ok := roleLevel(found[action+"_access_levels"]); ok {
					found[action+"_access_level"] = number
				}
			}
		},
	}
}

// roleLevel is the access level that an action is open to; entries for single users, groups and keys are not it.
func roleLevel(levels any) (any, bool) {
	list, _ := levels.([]any)
	for _, entry := range list {
		described, _ := entry.(map[string]any)
		if described["user_id"] == nil && described["group_id"] == nil && described["deploy_key_id"] == nil {
			return described["access_level"], true
		}
	}
	return nil, false
}

func checkBranch(inputs resource.PropertyMap) []plugin.CheckFailure {
	return append(
		oneOf(inputs, "pushAccessLevel", "no one", "developer", "maintainer", "admin"),
		oneOf(inputs, "mergeAccessLevel", "no one", "developer", "maintainer", "admin")...)
}

func (b branches) path(project string, rest ...string) string {
	return join(append([]string{"projects", project, "protected_branches"}, rest...)...)
}

func (b branches) describe(inputs resource.PropertyMap) string {
	return fmt.Sprintf("protection of branch %s of project %s", str(inputs, "branch"), str(inputs, "project"))
}

func (b branches) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	project, branch := str(call.Inputs, "project"), str(call.Inputs, "branch")
	fail := func(err error) (string, resource.PropertyMap, error) {
		return "", nil, fmt.Errorf("cannot create %s: %w", b.describe(call.Inputs), err)
	}
	if err := b.takeOver(ctx, project, branch); err != nil {
		return fail(err)
	}
	body := b.told(call.Inputs)
	delete(body, "code_owner_approval_required") // Enterprise Edition's; only false comes here.
	made, err := b.request(ctx, http.MethodPost, b.path(project), body)
	if err != nil {
		return fail(err)
	}
	return project + ":" + branch, b.found(made, call.Inputs), nil
}

// takeOver unprotects the default branch, which GitLab protects by itself; another protected branch is somebody's.
func (b branches) takeOver(ctx context.Context, project, branch string) error {
	_, err := b.request(ctx, http.MethodGet, b.path(project, branch), nil)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := b.request(ctx, http.MethodGet, join("projects", project), nil)
	if err != nil {
		return err
	}
	if found["default_branch"] != branch {
		return fmt.Errorf("it is protected already, and not this stack's: unprotect it in GitLab, or import it (id %s:%s)",
			project, branch)
	}
	_, err = b.request(ctx, http.MethodDelete, b.path(project, branch), nil)
	if err != nil && !isGone(err) {
		return err
	}
	return nil
}

func (b branches) parts(id string) (project, branch string, err error) {
	project, branch, ok := strings.Cut(id, ":")
	if !ok {
		return "", "", fmt.Errorf("the id %q of a protected branch: expected project:branch", id)
	}
	return project, branch, nil
}

func (b branches) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	project, branch, err := b.parts(call.ID)
	if err != nil {
		return nil, false, err
	}
	found, err := b.request(ctx, http.MethodGet, b.path(project, branch), nil)
	if isGone(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read %s: %w", b.describe(call.Inputs), err)
	}
	return b.found(found, call.Inputs), true, nil
}

func (b branches) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	project, branch, err := b.parts(call.ID)
	if err != nil {
		return nil, err
	}
	found, err := b.request(ctx, http.MethodPatch, b.path(project, branch), map[string]any{
		"allow_force_push": flag(call.Inputs, "allowForcePush"),
	})
	if err != nil {
		return nil, fmt.Errorf("cannot update %s: %w", b.describe(call.Inputs), err)
	}
	return b.found(found, call.Inputs), nil
}

func (b branches) remove(ctx context.Context, call *standin.Call) error {
	project, branch, err := b.parts(call.ID)
	if err != nil {
		return err
	}
	_, err = b.request(ctx, http.MethodDelete, b.path(project, branch), nil)
	if err != nil && !isGone(err) {
		return fmt.Errorf("cannot delete %s: %w", b.describe(call.Inputs), err)
	}
	return nil
}

func (b branches) performed() *standin.Resource {
	return &standin.Resource{
		Performed: strings.Fields("allowForcePush branch mergeAccessLevel project pushAccessLevel"),
		Defaults: resource.PropertyMap{
			"allowForcePush": resource.NewProperty(false), "codeOwnerApprovalRequired": resource.NewProperty(false),
		},
		Replaces: []string{"project", "branch", "pushAccessLevel", "mergeAccessLevel"},
		Mended:   b.mended(),
		Check:    checkBranch,
		Diff: func(call *standin.Call, diff *plugin.DiffResult) error {
			if err := b.diff(call, diff); err != nil {
				return err
			}
			inTheWay(call, diff, "project", "branch")
			return nil
		},
		Create: b.create,
		Read:   b.read,
		Update: b.update,
		Delete: b.remove,
		Import: func(id string) (resource.PropertyMap, error) {
			project, branch, err := b.parts(id)
			return resource.PropertyMap{
				"project": resource.NewProperty(project), "branch": resource.NewProperty(branch),
			}, err
		},
	}
}
