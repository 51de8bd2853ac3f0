package gitlab

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"auto-devops/standins/pulumi/internal/standin"
)

// pollInterval and goneLimit are how often and how long GitLab is asked whether something is done in the background.
var (
	pollInterval = time.Second
	goneLimit    = 10 * time.Minute
)

// container is a group or a project: GitLab deletes them in the background, after marking them for deletion.
type container struct {
	*server
	noun string
	// path is the API's name for all of them; fullPath the attribute with one's name, which it must be told to delete for good.
	path, fullPath string
	// option is the input that has one deleted at once.
	option string
}

// forGood asks for deletion now. It is a query: GitLab wants the name again, so that nothing is deleted by a wrong number.
type forGood struct {
	FullPath          string `url:"full_path"`
	PermanentlyRemove bool   `url:"permanently_remove"`
}

// get reads one; nil when there is none.
func (c container) get(ctx context.Context, id string) (answer, error) {
	found, err := c.request(ctx, http.MethodGet, join(c.path, id), nil)
	if isGone(err) {
		return nil, nil
	}
	return found, err
}

// markedOn is the date that something was marked for deletion on; empty when it was not.
func markedOn(found answer) string { return text(found["marked_for_deletion_on"]) }

// remove deletes one and waits until GitLab has done so: it is gone, or marked where it is not to go for good.
func (c container) remove(ctx context.Context, call *standin.Call, name string, permanently bool) error {
	fail := func(err error) error { return fmt.Errorf("cannot delete %s %s: %w", c.noun, name, err) }
	found, err := c.get(ctx, call.ID)
	if err != nil {
		return fail(err)
	}
	if found == nil {
		return nil
	}
	if markedOn(found) == "" {
		if _, err := c.request(ctx, http.MethodDelete, join(c.path, call.ID), nil); err != nil && !isGone(err) {
			return fail(err)
		}
		if found, err = c.wait(ctx, call, name, func(found answer) bool { return markedOn(found) != "" }); err != nil {
			return fail(err)
		}
	}
	if found == nil {
		return nil
	}
	if !permanently {
		call.Info(ctx, fmt.Sprintf("%s %s is marked for deletion (%s): GitLab deletes it at the end of its retention time, and "+
			"can restore it until then; %s deletes it at once", c.noun, name, markedOn(found), c.option))
		return nil
	}
	// Its path may be another since it was marked.
	rest := forGood{FullPath: text(found[c.fullPath]), PermanentlyRemove: true}
	if _, err := c.request(ctx, http.MethodDelete, join(c.path, call.ID), rest); err != nil && !isGone(err) {
		return fail(fmt.Errorf("it is marked for deletion, but not deleted for good: %w", err))
	}
	if _, err := c.wait(ctx, call, name, func(answer) bool { return false }); err != nil {
		return fail(err)
	}
	return nil
}

// wait asks until there is no such thing any more, or it is enough.
func (c container) wait(ctx context.Context, call *standin.Call, name string, enough func(answer) bool) (answer, error) {
	limited, cancel := context.WithTimeout(ctx, goneLimit)
	defer cancel()
	for {
		found, err := c.get(limited, call.ID)
		if err == nil && (found == nil || enough(found)) {
			return found, nil
		}
		if err == nil {
			call.Status(ctx, fmt.Sprintf("waiting for GitLab to delete %s %s", c.noun, name))
			err = sleep(limited)
		}
		if limited.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("GitLab has not deleted it in %s; its Sidekiq does that: look at Admin, Monitoring, "+
				"Background jobs", goneLimit)
		}
		if err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollInterval):
		return nil
	}
}
