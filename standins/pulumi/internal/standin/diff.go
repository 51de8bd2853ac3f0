package standin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// defaultsKey is where the official bridge notes which inputs it filled in itself.
const defaultsKey resource.PropertyKey = "__defaults"

const nameKey resource.PropertyKey = "name"

// autonameSuffix is the length of the bridge's random suffix.
const autonameSuffix = 7

func (p *Provider) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	performed, schema, err := p.find(req.Type)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	check := checker{schema: p.schema, plugin: "pulumi-resource-" + p.schema.Name}
	inputs := check.object("", req.News, schema.InputProperties, schema.RequiredInputs)
	if performed.Check != nil && len(check.failures) == 0 {
		check.failures = performed.Check(known(PlainMap(inputs)))
	}
	check.onlyPerformed("", "", resource.NewProperty(inputs), performed.Performed)
	if performed.Autonamed {
		if err := autoname(inputs, req); err != nil {
			return plugin.CheckResponse{}, err
		}
	}
	return plugin.CheckResponse{Properties: inputs, Failures: check.result(overlay(req.News, inputs))}, nil
}

// autoname gives a resource a name when its program does not: the one it has, or a new one.
func autoname(inputs resource.PropertyMap, req plugin.CheckRequest) error {
	if _, given := inputs[nameKey]; given {
		return nil
	}
	inputs[defaultsKey] = resource.NewProperty([]resource.PropertyValue{resource.NewProperty(string(nameKey))})
	if old, ok := req.Olds[nameKey]; ok && isAutonamed(req.Olds) {
		inputs[nameKey] = old
		return nil
	}
	if options := req.Autonaming; options != nil {
		if options.Mode == plugin.AutonamingModeDisabled {
			return fmt.Errorf("%s: autonaming is switched off for this stack, so `name` is required", req.URN)
		}
		inputs[nameKey] = resource.NewProperty(options.ProposedName)
		return nil
	}
	name, err := resource.NewUniqueName(req.RandomSeed, req.URN.Name()+"-", autonameSuffix, 0, nil)
	if err != nil {
		return fmt.Errorf("cannot make a name for %s: %w", req.URN, err)
	}
	inputs[nameKey] = resource.NewProperty(name)
	return nil
}

func isAutonamed(inputs resource.PropertyMap) bool {
	defaults, ok := inputs[defaultsKey]
	return ok && defaults.IsArray() && slices.ContainsFunc(defaults.ArrayValue(), func(v resource.PropertyValue) bool {
		return v.IsString() && v.StringValue() == string(nameKey)
	})
}

func (p *Provider) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	performed, schema, err := p.find(req.Type)
	if err != nil {
		return plugin.DiffResult{}, err
	}
	call := &Call{
		URN: req.URN, ID: string(req.ID),
		Inputs:    overlay(performed.Defaults, PlainMap(req.NewInputs)),
		OldInputs: overlay(performed.Defaults, PlainMap(req.OldInputs)),
		Outputs:   PlainMap(req.OldOutputs),
	}
	diff := plugin.DiffResult{Changes: plugin.DiffNone, DetailedDiff: map[string]plugin.PropertyDiff{}}
	for path, change := range differences(call.OldInputs, call.Inputs, performed.Unordered) {
		parsed, err := resource.ParsePropertyPath(path)
		if err != nil {
			return plugin.DiffResult{}, fmt.Errorf("cannot compare property %s: %w", path, err)
		}
		replace := p.schema.replaces(schema.InputProperties, parsed) ||
			slices.Contains(performed.Replaces, fmt.Sprint(parsed[0]))
		if performed.InPlace != nil {
			replace = !slices.Contains(performed.InPlace, fmt.Sprint(parsed[0]))
		}
		if replace {
			change = change.ToReplace()
		}
		diff.DetailedDiff[path] = change
	}
	if performed.Diff != nil {
		if err := performed.Diff(call, &diff); err != nil {
			return plugin.DiffResult{}, err
		}
	}
	return p.finish(diff, performed, req), nil
}

// finish derives the rest of a result from its detailed differences.
func (p *Provider) finish(diff plugin.DiffResult, performed *Resource, req plugin.DiffRequest) plugin.DiffResult {
	for path, change := range diff.DetailedDiff {
		diff.Changes = plugin.DiffSome
		diff.ChangedKeys = append(diff.ChangedKeys, resource.PropertyKey(path))
		if change.Kind.IsReplace() {
			diff.ReplaceKeys = append(diff.ReplaceKeys, resource.PropertyKey(path))
		}
	}
	slices.Sort(diff.ChangedKeys)
	slices.Sort(diff.ReplaceKeys)
	if performed.Autonamed && diff.Replace() {
		// As the official bridge: two resources cannot have the same name at a time, unless the new name differs.
		_, renamed := diff.DetailedDiff[string(nameKey)]
		diff.DeleteBeforeReplace = !renamed && !isAutonamed(req.NewInputs)
	}
	return diff
}

// differences of two sets of plain inputs, by path.
func differences(old, new resource.PropertyMap, unordered []string) map[string]plugin.PropertyDiff {
	old, new = old.Copy(), new.Copy()
	for _, name := range unordered {
		key := resource.PropertyKey(name)
		for _, inputs := range []resource.PropertyMap{old, new} {
			if value, ok := inputs[key]; ok && value.IsArray() {
				inputs[key] = sorted(value)
			}
		}
	}
	return plugin.NewDetailedDiffFromObjectDiff(old.Diff(new), true)
}

func sorted(value resource.PropertyValue) resource.PropertyValue {
	items := slices.Clone(value.ArrayValue())
	slices.SortStableFunc(items, func(a, b resource.PropertyValue) int { return cmp.Compare(text(a), text(b)) })
	return resource.NewProperty(items)
}

func text(value resource.PropertyValue) string {
	encoded, err := json.Marshal(value.Mappable())
	if err != nil {
		return value.String()
	}
	return string(encoded)
}

// known leaves out properties that are unknown or have an unknown part.
func known(inputs resource.PropertyMap) resource.PropertyMap {
	result := resource.PropertyMap{}
	for key, value := range inputs {
		if !value.ContainsUnknowns() {
			result[key] = value
		}
	}
	return result
}

// packageKeys are the engine's own entries in a provider's configuration.
var packageKeys = []resource.PropertyKey{"version", "pluginDownloadURL", "parameterization"}

func (p *Provider) CheckConfig(
	_ context.Context, req plugin.CheckConfigRequest,
) (plugin.CheckConfigResponse, error) {
	check := checker{schema: p.schema, plugin: "pulumi-resource-" + p.schema.Name}
	config, err := p.config(req.News)
	if err != nil {
		return plugin.CheckConfigResponse{}, err
	}
	checked := check.object("", config, p.schema.Provider.InputProperties, p.schema.Provider.RequiredInputs)
	if p.pkg.CheckConfig != nil && len(check.failures) == 0 && !checked.ContainsUnknowns() {
		check.failures = p.pkg.CheckConfig(PlainMap(checked))
	}
	check.onlyPerformed("", "", resource.NewProperty(checked), p.pkg.ConfigPerformed)
	// The engine wants the configuration back in its own form; only defaults are added.
	inputs := req.News.Copy()
	for key, value := range checked {
		if _, given := inputs[key]; !given {
			inputs[key] = value
		}
	}
	return plugin.CheckConfigResponse{Properties: inputs, Failures: check.result(config)}, nil
}

func (p *Provider) DiffConfig(_ context.Context, req plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	diff := plugin.DiffResult{
		Changes:      plugin.DiffNone,
		DetailedDiff: differences(PlainMap(req.OldInputs), PlainMap(req.NewInputs), nil),
	}
	return p.finish(diff, &Resource{}, plugin.DiffRequest{}), nil
}

func (p *Provider) Configure(_ context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	if p.pkg.Configure == nil {
		return plugin.ConfigureResponse{}, nil
	}
	config, err := p.config(req.Inputs)
	if err != nil {
		return plugin.ConfigureResponse{}, err
	}
	return plugin.ConfigureResponse{}, p.pkg.Configure(PlainMap(config))
}

// config is a provider's configuration by its schema: the engine sends everything but strings as JSON text.
func (p *Provider) config(given resource.PropertyMap) (resource.PropertyMap, error) {
	config := resource.PropertyMap{}
	for key, value := range given {
		property := p.schema.Provider.InputProperties[string(key)]
		plain := Plain(value)
		if slices.Contains(packageKeys, key) || resource.IsInternalPropertyKey(key) {
			continue
		}
		if property != nil && property.Type != "string" && plain.IsString() {
			var decoded any
			decoder := json.NewDecoder(strings.NewReader(plain.StringValue()))
			if err := decoder.Decode(&decoded); err != nil {
				return nil, fmt.Errorf("provider configuration %s: expected JSON, got what does not parse: %w", key, err)
			}
			plain = Plain(resource.NewPropertyValue(decoded))
			if value.ContainsSecrets() {
				plain = secret(plain)
			}
			value = plain
		}
		config[key] = value
	}
	return config, nil
}
