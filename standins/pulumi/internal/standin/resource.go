package standin

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// Package is one provider plugin: the official schema, pruned, and what performs it.
type Package struct {
	// Version of the official provider that this stands in for.
	Version string
	// Schema is the text of the pruned schema.
	Schema []byte
	// Resources by type token; each must be in the schema.
	Resources map[string]*Resource
	// ConfigPerformed lists paths of the provider's configuration that are performed; the rest of it is refused by name.
	ConfigPerformed []string
	// CheckConfig returns what is wrong with a configuration that fits the schema and has no unknown values.
	CheckConfig func(config resource.PropertyMap) []plugin.CheckFailure
	// Configure takes the configuration; it must not touch the network.
	Configure func(config resource.PropertyMap) error
}

// Resource performs one resource type. Property maps here are plain: without secret marks, which the harness keeps.
type Resource struct {
	// Performed lists paths of inputs that are performed; what else the official provider has is refused by name.
	Performed []string
	// Shown lists inputs that an error may tell although they are in something secret, such as where a connection goes.
	Shown []string
	// Autonamed resources get a `name` from the resource's own when none is given.
	Autonamed bool
	// Unordered lists inputs that are sets: another order is no change.
	Unordered []string
	// Defaults of inputs that the official provider applies itself, so that the schema lacks them: an absent input is no
	// different from its default, Create and Update see it, and it is an output.
	Defaults resource.PropertyMap
	// InPlace lists the only inputs whose change needs no new resource, where the schema lacks replacement marks.
	// Nil leaves the decision to the schema.
	InPlace []string
	// Replaces lists inputs whose change needs a new resource, beyond those that the schema marks.
	Replaces []string
	// Mended lists inputs that may change behind the program's back and that an update brings back: a refresh compares what
	// it read with them.
	Mended []string
	// ChangedByUpdate lists outputs whose value after an update is not known in a preview.
	ChangedByUpdate []string

	// Check returns what is wrong with inputs that fit the schema; unknown values are left out of what it is given.
	Check func(inputs resource.PropertyMap) []plugin.CheckFailure
	// Diff may add to or change the differences that the schema gives.
	Diff func(call *Call, diff *plugin.DiffResult) error
	// Create performs the resource and returns its identifier and outputs.
	Create func(ctx context.Context, call *Call) (string, resource.PropertyMap, error)
	// Read returns the outputs as they are now; false when the resource is gone. Nil keeps the state as it is.
	Read func(ctx context.Context, call *Call) (resource.PropertyMap, bool, error)
	// Import returns the inputs that an id tells; Read gives the rest. Nil where importing is not performed.
	Import func(id string) (resource.PropertyMap, error)
	// Update brings the resource from its state to the inputs and returns the outputs that changed.
	Update func(ctx context.Context, call *Call) (resource.PropertyMap, error)
	// Delete removes the resource; one that is gone already is no error.
	Delete func(ctx context.Context, call *Call) error
}

// Call is one operation on one resource.
type Call struct {
	URN resource.URN
	ID  string
	// Inputs are the new ones; on read and delete, those in the state.
	Inputs resource.PropertyMap
	// OldInputs and Outputs are the state's.
	OldInputs, Outputs resource.PropertyMap

	// Log shows a message on the resource; a status is for the progress display only.
	Log func(ctx context.Context, severity diag.Severity, message string, status bool)
}

// Info shows a line to the user, on the resource.
func (c *Call) Info(ctx context.Context, message string) { c.Log(ctx, diag.Info, message, false) }

// Warn shows a warning to the user, on the resource.
func (c *Call) Warn(ctx context.Context, message string) { c.Log(ctx, diag.Warning, message, false) }

// Status shows what is being waited for, in the progress display only.
func (c *Call) Status(ctx context.Context, message string) { c.Log(ctx, diag.Info, message, true) }
