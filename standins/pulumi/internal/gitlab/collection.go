package gitlab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

// collection performs the resources that GitLab keeps in a list: made by a POST on the list, known by a number since.
type collection struct {
	*server
	mapping
	noun string
	// named is the input that tells one from another, for people.
	named string
	// within are the inputs that say which list: the identifier's parts before the number.
	within []string
	// list is the path that makes a new one.
	list func(within []string) []string
	// item is the path of one; nil where that is the list and the number.
	item func(within []string, number string) []string
	// terse says that GitLab tells but a part of what it has made.
	terse bool
	// gone says of something GitLab still knows that it is of no use any more.
	gone func(found answer) bool
}

func (c collection) path(within []string, number string) string {
	if c.item != nil {
		return join(c.item(within, number)...)
	}
	return join(append(c.list(within), number)...)
}

// describe is the resource in words.
func (c collection) describe(inputs resource.PropertyMap) string {
	described := c.noun
	if name := str(inputs, c.named); name != "" {
		described += " " + name
	}
	for _, input := range c.within {
		if value := str(inputs, input); value != "" {
			described += fmt.Sprintf(" (%s %s)", input, value)
		}
	}
	return described
}

// parts are an identifier's: what says which list, and the number.
func (c collection) parts(id string) ([]string, string, error) {
	parts := strings.Split(id, ":")
	if len(parts) != len(c.within)+1 {
		return nil, "", fmt.Errorf("the id %q of a %s: expected %s", id, c.noun, strings.Join(append(
			append([]string{}, c.within...), "number"), ":"))
	}
	return parts[:len(c.within)], parts[len(c.within)], nil
}

func (c collection) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var within []string
	for _, input := range c.within {
		within = append(within, str(call.Inputs, input))
	}
	made, err := c.request(ctx, http.MethodPost, join(c.list(within)...), c.told(call.Inputs))
	if err != nil {
		return "", nil, fmt.Errorf("cannot create %s: %w", c.describe(call.Inputs), err)
	}
	number := text(made["id"])
	if number == "" {
		return "", nil, fmt.Errorf("GitLab made %s and did not tell its id: %v", c.describe(call.Inputs), keys(made))
	}
	id := strings.TrimPrefix(strings.Join(append(within, number), ":"), ":")
	outputs := c.found(made, call.Inputs)
	if c.terse {
		details, err := c.request(ctx, http.MethodGet, c.path(within, number), nil)
		if err != nil {
			// Without its outputs the state cannot have it, and then nobody would ever delete it.
			_, undone := c.request(ctx, http.MethodDelete, c.path(within, number), nil)
			return "", nil, fmt.Errorf("cannot create %s: %w", c.describe(call.Inputs), errors.Join(err, undone))
		}
		maps.Copy(outputs, c.found(details, call.Inputs))
	}
	return id, outputs, nil
}

func (c collection) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	within, number, err := c.parts(call.ID)
	if err != nil {
		return nil, false, err
	}
	found, err := c.request(ctx, http.MethodGet, c.path(within, number), nil)
	if isGone(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read %s: %w", c.describe(call.Inputs), err)
	}
	if c.gone != nil && c.gone(found) {
		return nil, false, nil
	}
	return c.found(found, call.Inputs), true, nil
}

func (c collection) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	within, number, err := c.parts(call.ID)
	if err != nil {
		return nil, err
	}
	changes := c.told(c.changed(call.OldInputs, call.Inputs))
	found, err := c.request(ctx, http.MethodPut, c.path(within, number), changes)
	if err != nil {
		return nil, fmt.Errorf("cannot update %s: %w", c.describe(call.Inputs), err)
	}
	return c.found(found, call.Inputs), nil
}

func (c collection) remove(ctx context.Context, call *standin.Call) error {
	within, number, err := c.parts(call.ID)
	if err != nil {
		return err
	}
	_, err = c.request(ctx, http.MethodDelete, c.path(within, number), nil)
	if err != nil && !isGone(err) {
		return fmt.Errorf("cannot delete %s: %w", c.describe(call.Inputs), err)
	}
	return nil
}

// imported are the inputs that an identifier tells.
func (c collection) imported(id string) (resource.PropertyMap, error) {
	within, _, err := c.parts(id)
	if err != nil {
		return nil, err
	}
	inputs := resource.PropertyMap{}
	for i, input := range c.within {
		inputs[resource.PropertyKey(input)] = typed(resource.NewProperty(within[i]), c.schema.InputProperties[input])
	}
	return inputs, nil
}

// performed is the collection as a resource type that can only be replaced, which most are.
func (c collection) performed() *standin.Resource {
	replaces := make([]string, 0, len(c.schema.InputProperties))
	for name := range c.schema.InputProperties {
		replaces = append(replaces, name)
	}
	return &standin.Resource{
		Replaces: replaces,
		Mended:   c.mended(),
		Diff:     c.diff,
		Create:   c.create,
		Read:     c.read,
		Delete:   c.remove,
		Import:   c.imported,
	}
}

func keys(found answer) []string {
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	return names
}
