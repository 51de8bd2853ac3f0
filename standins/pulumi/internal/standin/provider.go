// Package standin is what the lab's provider plugins share: it speaks Pulumi's provider protocol and goes by the official
// provider's schema for checking, secret marks, differences and replacement.
//
// It owns: the protocol, and every refusal of what a stand-in does not perform. It does not own any effect; the packages
// beside it (command, tls, docker) do.
package standin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Provider answers the engine for one package.
type Provider struct {
	plugin.UnimplementedProvider

	pkg    *Package
	schema *Schema
	host   *provider.HostClient

	stopped context.Context //nolint:containedctx // ends when the engine cancels, across calls
	stop    context.CancelFunc
}

// New makes a provider of a package; host may be nil when the engine attaches later.
func New(pkg *Package, host *provider.HostClient) (*Provider, error) {
	schema, err := ParseSchema(pkg.Schema)
	if err != nil {
		return nil, err
	}
	for token := range pkg.Resources {
		if schema.Resources[token] == nil {
			return nil, fmt.Errorf("%s is performed, but not in the embedded schema", token)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	return &Provider{pkg: pkg, schema: schema, host: host, stopped: stopped, stop: stop}, nil
}

// Main serves a package as an engine's plugin until the engine is done.
func Main(pkg *Package) {
	schema, err := ParseSchema(pkg.Schema)
	if err == nil {
		err = provider.Main("pulumi-resource-"+schema.Name,
			func(host *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
				served, err := New(pkg, host)
				if err != nil {
					return nil, err
				}
				return plugin.NewProviderServer(served), nil
			})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// refuse is the error for what only the official plugin has.
func (p *Provider) refuse(asked string) error {
	return status.Error(codes.Unimplemented, fmt.Sprintf(
		"%s is not performed by the lab's stand-in for pulumi-resource-%s, which has: %s. "+
			"The official plugin has it: put it in ~/.pulumi/plugins or on PATH, and the lab uses it",
		asked, p.schema.Name, strings.Join(names(p.pkg.Resources), ", ")))
}

func (p *Provider) find(token tokens.Type) (*Resource, *ResourceSchema, error) {
	performed, ok := p.pkg.Resources[string(token)]
	if !ok {
		return nil, nil, p.refuse(fmt.Sprintf("resource type %s", token))
	}
	return performed, p.schema.Resources[string(token)], nil
}

// call prepares an operation: its context ends with the request, the time limit or the engine's cancellation.
func (p *Provider) call(
	ctx context.Context, urn resource.URN, id resource.ID, seconds float64,
) (context.Context, context.CancelFunc, *Call) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(p.stopped, cancel)
	end := func() { unhook(); cancel() }
	if seconds > 0 {
		limited, endLimit := context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
		ctx, end = limited, func() { endLimit(); unhook(); cancel() }
	}
	return ctx, end, &Call{
		URN: urn,
		ID:  string(id),
		Log: func(ctx context.Context, severity diag.Severity, message string, status bool) {
			if p.host == nil {
				return
			}
			// A lost log line must not fail the operation it tells about.
			if status {
				_ = p.host.LogStatus(context.WithoutCancel(ctx), severity, urn, message)
			} else {
				_ = p.host.Log(context.WithoutCancel(ctx), severity, urn, message)
			}
		},
	}
}

func (p *Provider) Handshake(
	context.Context, plugin.ProviderHandshakeRequest,
) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{
		AcceptSecrets: true, AcceptResources: true, AcceptOutputs: true, SupportsAutonamingConfiguration: true,
	}, nil
}

func (p *Provider) Attach(address string) error {
	host, err := provider.NewHostClient(address)
	if err != nil {
		return fmt.Errorf("cannot reach the engine at %s: %w", address, err)
	}
	p.host = host
	return nil
}

func (p *Provider) Close() error { return nil }

func (p *Provider) SignalCancellation(context.Context) error {
	p.stop()
	return nil
}

func (p *Provider) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	version, err := semver.ParseTolerant(p.pkg.Version)
	if err != nil {
		return plugin.PluginInfo{}, fmt.Errorf("the stand-in's version %q is not valid: %w", p.pkg.Version, err)
	}
	return plugin.PluginInfo{Version: &version}, nil
}

func (p *Provider) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	failed := plugin.CreateResponse{Status: resource.StatusOK}
	performed, schema, err := p.find(req.Type)
	if err != nil {
		return failed, err
	}
	if req.Preview {
		return plugin.CreateResponse{Properties: unknownOutputs(performed, schema, req.Properties)}, nil
	}
	ctx, end, call := p.call(ctx, req.URN, "", req.Timeout)
	defer end()
	call.Inputs = overlay(performed.Defaults, PlainMap(req.Properties))
	id, found, err := performed.Create(ctx, call)
	if err != nil {
		return failed, p.explain(ctx, performed, "creating", err, req.Properties)
	}
	outputs := state(schema, req.Properties, overlay(without(performed.Defaults, req.Properties), found))
	return plugin.CreateResponse{ID: resource.ID(id), Properties: outputs}, nil
}

func (p *Provider) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	performed, schema, err := p.find(req.Type)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	if len(req.Inputs) == 0 && len(req.State) == 0 {
		return p.imported(ctx, req, performed, schema)
	}
	unchanged := plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}
	if performed.Read == nil {
		return unchanged, nil
	}
	ctx, end, call := p.call(ctx, req.URN, req.ID, req.Timeout)
	defer end()
	call.Inputs, call.Outputs = overlay(performed.Defaults, PlainMap(req.Inputs)), PlainMap(req.State)
	found, exists, err := performed.Read(ctx, call)
	if err != nil {
		return plugin.ReadResponse{}, p.explain(ctx, performed, "reading", err, req.Inputs)
	}
	if !exists {
		return plugin.ReadResponse{}, nil
	}
	// What has drifted goes into the inputs too, so that the next difference shows it and an update mends it.
	inputs := req.Inputs.Copy()
	for _, name := range performed.Mended {
		key := resource.PropertyKey(name)
		value, read := found[key]
		if wanted, given := call.Inputs[key]; read && given && !wanted.DeepEquals(value) {
			if req.Inputs[key].ContainsSecrets() {
				value = secret(value)
			}
			inputs[key] = value
		}
	}
	outputs := state(schema, inputs, overlay(carried(req.Inputs, inputs, req.State), found))
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: outputs}}, nil
}

// imported reads a resource of which only the id is known.
func (p *Provider) imported(
	ctx context.Context, req plugin.ReadRequest, performed *Resource, schema *ResourceSchema,
) (plugin.ReadResponse, error) {
	if performed.Import == nil || performed.Read == nil {
		return plugin.ReadResponse{}, p.refuse(fmt.Sprintf("importing or looking up a %s by its id (%s)", req.Type, req.ID))
	}
	told, err := performed.Import(string(req.ID))
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	ctx, end, call := p.call(ctx, req.URN, req.ID, req.Timeout)
	defer end()
	call.Inputs, call.Outputs = told, resource.PropertyMap{}
	found, exists, err := performed.Read(ctx, call)
	if err != nil || !exists {
		return plugin.ReadResponse{}, err
	}
	inputs := told.Copy()
	for key, value := range found {
		property, input := schema.InputProperties[string(key)]
		if input && !empty(value) {
			if property.Secret {
				value = secret(value)
			}
			inputs[key] = value
		}
	}
	outputs := state(schema, inputs, found)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: resource.ID(call.ID), Inputs: inputs, Outputs: outputs}}, nil
}

// empty says whether a value is what a service gives for something that nobody has set.
func empty(value resource.PropertyValue) bool {
	return value.IsString() && value.StringValue() == "" || value.IsArray() && len(value.ArrayValue()) == 0
}

func (p *Provider) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	failed := plugin.UpdateResponse{Status: resource.StatusOK}
	performed, schema, err := p.find(req.Type)
	if err != nil {
		return failed, err
	}
	kept := overlay(
		carried(req.OldInputs, req.NewInputs, req.OldOutputs), without(performed.Defaults, req.NewInputs))
	if req.Preview {
		for _, name := range performed.ChangedByUpdate {
			kept[resource.PropertyKey(name)] = resource.MakeComputed(resource.NewProperty(""))
		}
		return plugin.UpdateResponse{Properties: state(schema, req.NewInputs, kept)}, nil
	}
	if performed.Update == nil {
		return failed, p.refuse(fmt.Sprintf("updating a %s in place", req.Type))
	}
	ctx, end, call := p.call(ctx, req.URN, req.ID, req.Timeout)
	defer end()
	call.Inputs = overlay(performed.Defaults, PlainMap(req.NewInputs))
	call.OldInputs, call.Outputs = overlay(performed.Defaults, PlainMap(req.OldInputs)), PlainMap(req.OldOutputs)
	found, err := performed.Update(ctx, call)
	if err != nil {
		return failed, p.explain(ctx, performed, "updating", err, req.OldInputs, req.NewInputs)
	}
	return plugin.UpdateResponse{Properties: state(schema, req.NewInputs, overlay(kept, found))}, nil
}

func (p *Provider) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	performed, _, err := p.find(req.Type)
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	if performed.Delete == nil {
		return plugin.DeleteResponse{}, nil
	}
	ctx, end, call := p.call(ctx, req.URN, req.ID, req.Timeout)
	defer end()
	call.Inputs, call.Outputs = overlay(performed.Defaults, PlainMap(req.Inputs)), PlainMap(req.Outputs)
	if err := performed.Delete(ctx, call); err != nil {
		return plugin.DeleteResponse{}, p.explain(ctx, performed, "deleting", err, req.Inputs)
	}
	return plugin.DeleteResponse{}, nil
}

// explain adds why a call's context ended, which an error from deep inside a library does not tell, and takes the inputs'
// secrets out of the message.
func (p *Provider) explain(
	ctx context.Context, performed *Resource, doing string, err error, inputs ...resource.PropertyMap,
) error {
	switch {
	case p.stopped.Err() != nil:
		err = fmt.Errorf("%s was cancelled: %w", doing, err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("%s took longer than the resource's customTimeouts allow: %w", doing, err)
	}
	message := err.Error()
	for _, properties := range inputs {
		message = masked(message, resource.NewProperty(properties), performed.Shown)
	}
	if message == err.Error() {
		return err
	}
	return errors.New(message)
}

func (p *Provider) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	return plugin.InvokeResponse{}, p.refuse(fmt.Sprintf("function %s", req.Tok))
}

func (p *Provider) Call(_ context.Context, req plugin.CallRequest) (plugin.CallResponse, error) {
	return plugin.CallResponse{}, p.refuse(fmt.Sprintf("method %s", req.Tok))
}

func (p *Provider) Construct(_ context.Context, req plugin.ConstructRequest) (plugin.ConstructResponse, error) {
	return plugin.ConstructResponse{}, p.refuse(fmt.Sprintf("component %s", req.Type))
}

func (p *Provider) GetSchema(context.Context, plugin.GetSchemaRequest) (plugin.GetSchemaResponse, error) {
	return plugin.GetSchemaResponse{}, p.refuse("the schema for code generation")
}

func (p *Provider) Parameterize(context.Context, plugin.ParameterizeRequest) (plugin.ParameterizeResponse, error) {
	return plugin.ParameterizeResponse{}, p.refuse("parameterization")
}

func (p *Provider) List(context.Context, plugin.ListRequest) (*plugin.ListStream, error) {
	return nil, p.refuse("listing resources")
}

func (p *Provider) GetMapping(context.Context, plugin.GetMappingRequest) (plugin.GetMappingResponse, error) {
	return plugin.GetMappingResponse{}, nil
}

func (p *Provider) GetMappings(context.Context, plugin.GetMappingsRequest) (plugin.GetMappingsResponse, error) {
	return plugin.GetMappingsResponse{}, nil
}

// unknownOutputs is a resource's state in a preview of its creation.
func unknownOutputs(
	performed *Resource, schema *ResourceSchema, inputs resource.PropertyMap,
) resource.PropertyMap {
	found := without(performed.Defaults, inputs)
	for name := range schema.Properties {
		key := resource.PropertyKey(name)
		_, given := inputs[key]
		_, defaulted := performed.Defaults[key]
		if !given && !defaulted && schema.computed(name) {
			found[key] = resource.MakeComputed(resource.NewProperty(""))
		}
	}
	return state(schema, inputs, found)
}

// carried are the outputs that stay as they are when inputs change: those that mirror neither an old nor a new input.
func carried(oldInputs, newInputs, outputs resource.PropertyMap) resource.PropertyMap {
	kept := resource.PropertyMap{}
	for key, value := range outputs {
		_, old := oldInputs[key]
		_, given := newInputs[key]
		if !old && !given && !resource.IsInternalPropertyKey(key) {
			kept[key] = value
		}
	}
	return kept
}

// without leaves out the properties that others have too.
func without(properties, others resource.PropertyMap) resource.PropertyMap {
	rest := resource.PropertyMap{}
	for key, value := range properties {
		if _, given := others[key]; !given {
			rest[key] = value
		}
	}
	return rest
}

func overlay(below, above resource.PropertyMap) resource.PropertyMap {
	merged := resource.PropertyMap{}
	for key, value := range below {
		merged[key] = value
	}
	for key, value := range above {
		merged[key] = value
	}
	return merged
}
