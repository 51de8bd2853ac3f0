package standin

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Schema is the part of an official provider's schema that a stand-in goes by (pruned by prune_schema.py).
type Schema struct {
	Name      string                     `json:"name"`
	Provider  *ResourceSchema            `json:"provider"`
	Resources map[string]*ResourceSchema `json:"resources"`
	Types     map[string]*ObjectType     `json:"types"`
}

// ResourceSchema describes one resource type, or the provider's own configuration.
type ResourceSchema struct {
	InputProperties map[string]*Property `json:"inputProperties"`
	Properties      map[string]*Property `json:"properties"`
	RequiredInputs  []string             `json:"requiredInputs"`
	Required        []string             `json:"required"`
}

// computed says whether an output is found by the provider rather than copied from an input.
func (s *ResourceSchema) computed(name string) bool {
	_, input := s.InputProperties[name]
	return !input || slices.Contains(s.Required, name)
}

// ObjectType is a named type: an object with properties, or an enumeration.
type ObjectType struct {
	Type       string               `json:"type"`
	Properties map[string]*Property `json:"properties"`
	Required   []string             `json:"required"`
	Enum       []struct {
		Value any `json:"value"`
	} `json:"enum"`
}

// Property is a property's type and its marks.
type Property struct {
	Type                 string    `json:"type"`
	Ref                  string    `json:"$ref"`
	Items                *Property `json:"items"`
	AdditionalProperties *Property `json:"additionalProperties"`
	Secret               bool      `json:"secret"`
	ReplaceOnChanges     bool      `json:"replaceOnChanges"`
	WillReplaceOnChanges bool      `json:"willReplaceOnChanges"`
	Default              any       `json:"default"`
	DefaultInfo          *struct {
		Environment []string `json:"environment"`
	} `json:"defaultInfo"`
}

const (
	typeReference = "#/types/"
	anyReference  = "pulumi.json#/Any"
)

// ParseSchema reads a pruned schema.
func ParseSchema(text []byte) (*Schema, error) {
	var schema Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, fmt.Errorf("the embedded schema is not valid: %w", err)
	}
	return &schema, nil
}

// object resolves a property that refers to a named type; nil for every other property.
func (s *Schema) object(property *Property) *ObjectType {
	if token, ok := strings.CutPrefix(property.Ref, typeReference); ok {
		return s.Types[token]
	}
	return nil
}

// replaces says whether the schema asks for a new resource when the value at this path changes: the property itself,
// or one that contains it, is marked.
func (s *Schema) replaces(properties map[string]*Property, path resource.PropertyPath) bool {
	var property *Property
	for _, step := range path {
		switch step := step.(type) {
		case string:
			if property != nil && property.AdditionalProperties != nil {
				property = property.AdditionalProperties
			} else {
				property = properties[step]
			}
		case int:
			if property != nil {
				property = property.Items
			}
		}
		if property == nil {
			return false
		}
		if property.ReplaceOnChanges || property.WillReplaceOnChanges {
			return true
		}
		properties = nil
		if property.Type == "array" && property.Items != nil {
			if object := s.object(property.Items); object != nil {
				properties = object.Properties
			}
		}
		if object := s.object(property); object != nil {
			properties = object.Properties
		}
	}
	return false
}

// names lists a map's keys in order.
func names[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
