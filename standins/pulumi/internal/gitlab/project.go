package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"gitlab.com/gitlab-org/api/client-go"

	"auto-devops/standins/pulumi/internal/standin"
)

// protectionLimit is how long GitLab may take to protect a new project's default branch.
var protectionLimit = 2 * time.Minute

// projects performs projects.
type projects struct {
	container
	mapping
}

// projectNotPerformed are what makes a project from something else, and what needs a licence.
var projectNotPerformed = []string{
	"avatar", "avatarHash", "branches", "forkedFromProjectId", "groupWithProjectTemplatesId", "importUrl", "importUrlPassword",
	"importUrlUsername", "mrDefaultTargetSelf", "preReceiveSecretDetectionEnabled", "pushRules", "templateName",
	"templateProjectId", "useCustomTemplate",
}

func newProjects(s *server, schema *standin.ResourceSchema) projects {
	return projects{
		container: container{server: s, noun: "project", path: "projects", fullPath: "path_with_namespace",
			option: "permanentlyDeleteOnDestroy"},
		mapping: mapping{
			schema: schema,
			renamed: map[string]string{
				"visibilityLevel": "visibility", "publicBuilds": "public_jobs",
				"containerExpirationPolicy": "container_expiration_policy_attributes",
			},
			silent: []string{
				"archiveOnDestroy", "initializeWithReadme", "permanentlyDeleteOnDestroy", "skipWaitForDefaultBranchProtection",
			},
			readOnly: []string{"archived"},
			refine: func(found answer) {
				if namespace, ok := found["namespace"].(map[string]any); ok {
					found["namespace_id"] = namespace["id"]
				}
				found["container_expiration_policy_attributes"] = found["container_expiration_policy"]
			},
		},
	}
}

func checkProject(inputs resource.PropertyMap) []plugin.CheckFailure {
	return slices.Concat(
		oneOf(inputs, "visibilityLevel", "private", "internal", "public"),
		oneOf(inputs, "mergeMethod", "merge", "rebase_merge", "ff"),
		oneOf(inputs, "buildGitStrategy", "clone", "fetch"),
		oneOf(inputs, "autoDevopsDeployStrategy", "continuous", "manual", "timed_incremental"),
		oneOf(inputs, "squashOption", "never", "always", "default_on", "default_off"))
}

// split parts attributes into those that a new project may be given, and those that only an existing one can have.
func split(attributes map[string]any, atCreation func(string) bool) (first, then map[string]any) {
	first, then = map[string]any{}, map[string]any{}
	for name, value := range attributes {
		if atCreation(name) {
			first[name] = value
		} else {
			then[name] = value
		}
	}
	return first, then
}

func (p projects) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	name := str(call.Inputs, "name")
	fail := func(err error) (string, resource.PropertyMap, error) {
		return "", nil, fmt.Errorf("cannot create project %s: %w", name, err)
	}
	first, then := split(p.told(call.Inputs), accepts(gitlab.CreateProjectOptions{}))
	withReadme := flag(call.Inputs, "initializeWithReadme")
	if withReadme {
		first["initialize_with_readme"] = true
	}
	made, err := p.request(ctx, http.MethodPost, "projects", first)
	if err != nil {
		return fail(err)
	}
	id := text(made["id"])
	finish := func() error {
		if withReadme && !flag(call.Inputs, "skipWaitForDefaultBranchProtection") {
			if err := p.protected(ctx, call, id, text(made["default_branch"])); err != nil {
				return err
			}
		}
		if len(then) > 0 {
			if made, err = p.request(ctx, http.MethodPut, join("projects", id), then); err != nil {
				return err
			}
		}
		if flag(call.Inputs, "archived") {
			made, err = p.request(ctx, http.MethodPost, join("projects", id, "archive"), nil)
		}
		return err
	}
	if err := finish(); err != nil {
		// Nothing is left behind under a name that the next try needs; what the state does not know nobody deletes.
		call.ID = id
		if undone := p.container.remove(ctx, call, name, false, true); undone != nil {
			err = fmt.Errorf("%w (and it stays behind: %w)", err, undone)
		}
		return fail(err)
	}
	// What GitLab says of a new project is not all it says of one.
	found, err := p.get(ctx, id)
	if err == nil && found == nil {
		err = fmt.Errorf("it vanished as soon as it was made")
	}
	if err != nil {
		return fail(err)
	}
	return id, p.tell(found, call.Inputs), nil
}

// protected waits for the protection of the first branch, which GitLab adds in the background: a protection that the program
// has for that branch must come after it.
func (p projects) protected(ctx context.Context, call *standin.Call, id, branch string) error {
	limited, cancel := context.WithTimeout(ctx, protectionLimit)
	defer cancel()
	for {
		found, err := p.request(limited, http.MethodGet, join("projects", id, "repository", "branches", branch), nil)
		if found["protected"] == true {
			return nil
		}
		if err == nil || isGone(err) {
			call.Status(ctx, fmt.Sprintf("waiting for GitLab to protect branch %s", branch))
			err = sleep(limited)
		}
		if limited.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("GitLab has not protected branch %s in %s; where new branches are not protected, "+
				"set skipWaitForDefaultBranchProtection", branch, protectionLimit)
		}
		if err != nil {
			return err
		}
	}
}

// tell is a project as GitLab has it. A repository without commits has no branch yet, whatever is to be its default.
func (p projects) tell(found answer, inputs resource.PropertyMap) resource.PropertyMap {
	outputs := p.found(found, inputs)
	if wanted, given := inputs["defaultBranch"]; given && found["empty_repo"] == true {
		outputs["defaultBranch"] = wanted
	}
	return outputs
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
	return p.tell(found, call.Inputs), true, nil
}

func (p projects) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	fail := func(err error) (resource.PropertyMap, error) {
		return nil, fmt.Errorf("cannot update project %s (%s): %w", str(call.Inputs, "name"), call.ID, err)
	}
	path := join("projects", call.ID)
	changes := p.changed(call.OldInputs, call.Inputs)
	archived, toggled := changes["archived"]
	if toggled && !archived.BoolValue() {
		// First of all: an archived project takes no other change.
		if _, err := p.request(ctx, http.MethodPost, path+"/unarchive", nil); err != nil {
			return fail(err)
		}
	}
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
	if toggled && archived.BoolValue() {
		if _, err := p.request(ctx, http.MethodPost, path+"/archive", nil); err != nil {
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
	return p.tell(found, call.Inputs), nil
}

func (p projects) remove(ctx context.Context, call *standin.Call) error {
	return p.container.remove(ctx, call, str(call.Inputs, "name"),
		flag(call.Inputs, "archiveOnDestroy"), flag(call.Inputs, "permanentlyDeleteOnDestroy"))
}

func (p projects) performed() *standin.Resource {
	return &standin.Resource{
		Autonamed:    true,
		NotPerformed: projectNotPerformed,
		Mended:       p.mended(),
		Check:        checkProject,
		Diff:         p.diff,
		Create:       p.create,
		Read:         p.read,
		Update:       p.update,
		Delete:       p.remove,
		Import:       func(string) (resource.PropertyMap, error) { return resource.PropertyMap{}, nil },
	}
}
