package standin

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// checker compares a resource's inputs with the schema and collects every failure, so that a user sees them at once.
type checker struct {
	schema   *Schema
	plugin   string
	failures []plugin.CheckFailure
}

func (c *checker) fail(path, format string, args ...any) {
	// The engine puts the property and its value before the reason.
	reason := fmt.Sprintf(format, args...)
	c.failures = append(c.failures, plugin.CheckFailure{Property: resource.PropertyKey(path), Reason: reason})
}

// object checks an object's properties and returns it with the schema's defaults filled in.
func (c *checker) object(
	path string, inputs resource.PropertyMap, properties map[string]*Property, required []string,
) resource.PropertyMap {
	checked := resource.PropertyMap{}
	for _, key := range inputs.StableKeys() {
		value, name := inputs[key], string(key)
		if strings.HasPrefix(name, "__") || !value.HasValue() && !value.ContainsUnknowns() {
			continue
		}
		property, known := properties[name]
		if !known {
			c.fail(join(path, name), "unknown property%s; allowed: %s",
				didYouMean(name, names(properties)), strings.Join(names(properties), ", "))
			continue
		}
		checked[key] = c.value(join(path, name), value, property)
	}
	for _, name := range names(properties) {
		key := resource.PropertyKey(name)
		if _, given := checked[key]; given {
			continue
		}
		if value, ok := defaultOf(properties[name]); ok {
			checked[key] = value
		} else if slices.Contains(required, name) {
			c.fail(join(path, name), "missing required property")
		}
	}
	return checked
}

func (c *checker) value(path string, value resource.PropertyValue, property *Property) resource.PropertyValue {
	if value.IsSecret() {
		return resource.MakeSecret(c.value(path, value.SecretValue().Element, unmarked(property)))
	}
	if value.IsComputed() || value.IsOutput() || property.Ref == anyReference {
		return value
	}
	checked := c.plainValue(path, value, property)
	if property.Secret {
		return resource.MakeSecret(checked)
	}
	return checked
}

func (c *checker) plainValue(path string, value resource.PropertyValue, property *Property) resource.PropertyValue {
	if named := c.schema.object(property); named != nil {
		if named.Type != "object" {
			c.enum(path, value, named)
			return value
		}
		if !value.IsObject() {
			c.wrongType(path, value, "object")
			return value
		}
		return resource.NewProperty(c.object(path, value.ObjectValue(), named.Properties, named.Required))
	}
	switch property.Type {
	case "string":
		if !value.IsString() {
			c.wrongType(path, value, "string")
		}
	case "boolean":
		if !value.IsBool() {
			c.wrongType(path, value, "boolean")
		}
	case "number", "integer":
		if !value.IsNumber() {
			c.wrongType(path, value, property.Type)
		} else if number := value.NumberValue(); property.Type == "integer" && number != math.Trunc(number) {
			c.fail(path, "expected integer, got %v", number)
		}
	case "array":
		if !value.IsArray() {
			c.wrongType(path, value, "array")
			return value
		}
		items := make([]resource.PropertyValue, len(value.ArrayValue()))
		for i, item := range value.ArrayValue() {
			items[i] = c.value(fmt.Sprintf("%s[%d]", path, i), item, property.Items)
		}
		return resource.NewProperty(items)
	case "object":
		if !value.IsObject() {
			c.wrongType(path, value, "object")
			return value
		}
		entries := resource.PropertyMap{}
		for _, key := range value.ObjectValue().StableKeys() {
			entries[key] = c.value(join(path, string(key)), value.ObjectValue()[key], property.AdditionalProperties)
		}
		return resource.NewProperty(entries)
	}
	return value
}

func (c *checker) enum(path string, value resource.PropertyValue, named *ObjectType) {
	var allowed []string
	for _, member := range named.Enum {
		if resource.NewPropertyValue(member.Value).DeepEquals(value) {
			return
		}
		allowed = append(allowed, fmt.Sprint(member.Value))
	}
	c.fail(path, "got %v, allowed: %s", value.Mappable(), strings.Join(allowed, ", "))
}

func (c *checker) wrongType(path string, value resource.PropertyValue, expected string) {
	c.fail(path, "expected %s, got %s", expected, value.TypeString())
}

// result is the failures as the engine may show them. It shows a property's value beside the reason, secret or not, so a
// failure of a secret is not tied to its property.
func (c *checker) result(inputs resource.PropertyMap) []plugin.CheckFailure {
	failures := make([]plugin.CheckFailure, 0, len(c.failures))
	for _, failure := range c.failures {
		top := strings.FieldsFunc(string(failure.Property), func(r rune) bool { return r == '.' || r == '[' })
		if len(top) > 0 {
			if value := inputs[resource.PropertyKey(top[0])]; value.ContainsSecrets() {
				failure.Reason = masked(fmt.Sprintf("%s: %s", failure.Property, failure.Reason), value, nil)
				failure.Property = ""
			}
		}
		failures = append(failures, failure)
	}
	return failures
}

// onlyPerformed fails every input below a value that is not at one of these paths: the official provider has it, the
// stand-in has not. Items of a list have their list's path; `shown` has their numbers as well.
func (c *checker) onlyPerformed(shown, path string, value resource.PropertyValue, performed []string) {
	value = Plain(value)
	if value.IsArray() {
		for i, item := range value.ArrayValue() {
			c.onlyPerformed(fmt.Sprintf("%s[%d]", shown, i), path, item, performed)
		}
	}
	if !value.IsObject() {
		return
	}
	for _, key := range value.ObjectValue().StableKeys() {
		at, name := join(shown, string(key)), join(path, string(key))
		switch {
		case slices.Contains(performed, name):
		case slices.ContainsFunc(performed, func(known string) bool { return strings.HasPrefix(known, name+".") }):
			c.onlyPerformed(at, name, value.ObjectValue()[key], performed)
		default:
			c.fail(at, "the lab's stand-in for %s does not perform this property; the official plugin does "+
				"(put it in ~/.pulumi/plugins or on PATH, and the lab uses it)", c.plugin)
		}
	}
}

// unmarked is the property without its own secret mark, for a value that is marked already.
func unmarked(property *Property) *Property {
	plain := *property
	plain.Secret = false
	return &plain
}

func defaultOf(property *Property) (resource.PropertyValue, bool) {
	if property.DefaultInfo != nil {
		for _, variable := range property.DefaultInfo.Environment {
			if value := os.Getenv(variable); value != "" {
				return resource.NewProperty(value), true
			}
		}
	}
	if property.Default == nil {
		return resource.PropertyValue{}, false
	}
	return resource.NewPropertyValue(property.Default), true
}

// didYouMean names the known property nearest to an unknown one, if any is near.
func didYouMean(name string, known []string) string {
	best, distance := "", 1+max(2, len(name)/3)
	for _, candidate := range known {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
