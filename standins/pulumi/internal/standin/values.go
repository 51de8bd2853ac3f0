package standin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Plain is a value without its secret marks, at every depth.
func Plain(value resource.PropertyValue) resource.PropertyValue {
	switch {
	case value.IsSecret():
		return Plain(value.SecretValue().Element)
	case value.IsArray():
		items := make([]resource.PropertyValue, len(value.ArrayValue()))
		for i, item := range value.ArrayValue() {
			items[i] = Plain(item)
		}
		return resource.NewProperty(items)
	case value.IsObject():
		entries := resource.PropertyMap{}
		for key, entry := range value.ObjectValue() {
			entries[key] = Plain(entry)
		}
		return resource.NewProperty(entries)
	}
	return value
}

// PlainMap is a resource's properties without their secret marks, and without private keys such as `__defaults`.
func PlainMap(properties resource.PropertyMap) resource.PropertyMap {
	plain := resource.PropertyMap{}
	for key, value := range properties {
		if !resource.IsInternalPropertyKey(key) {
			plain[key] = Plain(value)
		}
	}
	return plain
}

// Decode reads plain properties into a struct with json tags.
func Decode(properties resource.PropertyMap, target any) error {
	text, err := json.Marshal(PlainMap(properties).Mappable())
	if err != nil {
		return fmt.Errorf("cannot read the properties: %w", err)
	}
	if err := json.Unmarshal(text, target); err != nil {
		return fmt.Errorf("cannot read the properties: %w", err)
	}
	return nil
}

// Encode makes properties of a struct with json tags.
func Encode(source any) (resource.PropertyMap, error) {
	text, err := json.Marshal(source)
	if err != nil {
		return nil, fmt.Errorf("cannot write the properties: %w", err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("cannot write the properties: %w", err)
	}
	return resource.NewPropertyMapFromMap(plain), nil
}

// state puts together what the engine stores for a resource: its inputs as given, with their secret marks, and over them
// what the resource found, marked as the schema says.
func state(schema *ResourceSchema, inputs, found resource.PropertyMap) resource.PropertyMap {
	properties := resource.PropertyMap{}
	for key, value := range inputs {
		if !resource.IsInternalPropertyKey(key) {
			properties[key] = value
		}
	}
	for key, value := range found {
		input, mirrored := inputs[key]
		switch {
		case mirrored && Plain(input).DeepEquals(value):
		case mirrored && input.ContainsSecrets():
			properties[key] = secret(value)
		default:
			properties[key] = value
		}
	}
	for name, property := range schema.Properties {
		if value, ok := properties[resource.PropertyKey(name)]; ok && property.Secret {
			properties[resource.PropertyKey(name)] = secret(value)
		}
	}
	return properties
}

func secret(value resource.PropertyValue) resource.PropertyValue {
	if value.IsSecret() {
		return value
	}
	return resource.MakeSecret(value)
}

// masked is a message without the secret texts in a value, except those at the paths that may be shown. Very short texts
// stay: they would blot out ordinary words.
func masked(message string, value resource.PropertyValue, shown []string) string {
	for _, text := range secretTexts(value, "", shown, false) {
		if len(text) >= shortestMasked {
			message = strings.ReplaceAll(message, text, "[secret]")
			message = strings.ReplaceAll(message, strings.Trim(strconv.Quote(text), `"`), "[secret]")
		}
	}
	return message
}

const shortestMasked = 4

// secretTexts lists the strings in a value that are secret, or inside something that is.
func secretTexts(value resource.PropertyValue, path string, shown []string, inSecret bool) []string {
	var texts []string
	switch {
	case slices.Contains(shown, path):
	case value.IsSecret():
		return secretTexts(value.SecretValue().Element, path, shown, true)
	case value.IsString() && inSecret:
		return []string{value.StringValue()}
	case value.IsArray():
		for _, item := range value.ArrayValue() {
			texts = append(texts, secretTexts(item, path, shown, inSecret)...)
		}
	case value.IsObject():
		for key, entry := range value.ObjectValue() {
			texts = append(texts, secretTexts(entry, join(path, string(key)), shown, inSecret)...)
		}
	}
	return texts
}
