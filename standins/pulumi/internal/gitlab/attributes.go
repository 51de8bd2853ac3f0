package gitlab

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

// mapping is between a resource's properties, as the official provider calls them, and GitLab's attributes.
type mapping struct {
	schema *standin.ResourceSchema
	// renamed are the attributes of properties that are not just the property's name in snake case.
	renamed map[string]string
	// silent are inputs that GitLab has no attribute of: what the provider is to do, or what is in a path.
	silent []string
	// readOnly are inputs that GitLab tells and is not told.
	readOnly []string
	// converted are properties whose values GitLab writes in another form.
	converted map[string]conversion
	// refine completes an answer before it is read.
	refine func(found answer)
}

type conversion struct {
	toAPI   func(value any) any
	fromAPI func(value any) any
}

func (m mapping) attribute(property string) string {
	if renamed, ok := m.renamed[property]; ok {
		return renamed
	}
	return snake(property)
}

// told are the inputs that GitLab is told, by GitLab's names.
func (m mapping) told(inputs resource.PropertyMap) map[string]any {
	body := map[string]any{}
	for key, value := range inputs {
		property := string(key)
		if slices.Contains(m.silent, property) || slices.Contains(m.readOnly, property) {
			continue
		}
		plain := value.Mappable()
		if converted := m.converted[property]; converted.toAPI != nil {
			plain = converted.toAPI(plain)
		} else {
			plain = renameKeys(plain, snake)
		}
		body[m.attribute(property)] = plain
	}
	return body
}

// changed are the inputs that differ, and the empty value of those that are there no more.
func (m mapping) changed(old, new resource.PropertyMap) resource.PropertyMap {
	changes := resource.PropertyMap{}
	for key, value := range new {
		if before, given := old[key]; !given || !before.DeepEquals(value) {
			changes[key] = value
		}
	}
	for key := range old {
		property := m.schema.InputProperties[string(key)]
		if _, given := new[key]; !given && property != nil && !m.kept(string(key)) {
			changes[key] = emptyOf(property)
		}
	}
	return changes
}

// kept says whether an input that is given no more stays as it is: GitLab has a value of its own for it, so officially
// (optional and computed) its absence asks for nothing.
func (m mapping) kept(property string) bool { return slices.Contains(m.schema.Required, property) }

// found are a resource's properties as GitLab tells them. What is given keeps its own spelling where GitLab means the same.
func (m mapping) found(told answer, given resource.PropertyMap) resource.PropertyMap {
	told = maps.Clone(told)
	if m.refine != nil {
		m.refine(told)
	}
	outputs := resource.PropertyMap{}
	for name, property := range m.schema.Properties {
		key := resource.PropertyKey(name)
		value, known := told[m.attribute(name)]
		if !known || slices.Contains(m.silent, name) {
			continue
		}
		wanted, isGiven := given[key]
		if value == nil {
			if isGiven {
				outputs[key] = settled(wanted, emptyOf(property))
			}
			continue
		}
		converted := m.converted[name]
		if converted.fromAPI != nil {
			value = converted.fromAPI(value)
		} else {
			value = renameKeys(value, camel)
		}
		read := typed(resource.NewPropertyValue(value), property)
		if isGiven {
			read = settled(wanted, read)
		}
		outputs[key] = read
	}
	return outputs
}

// mended are the inputs that GitLab tells back.
func (m mapping) mended() []string {
	var all []string
	for name := range m.schema.InputProperties {
		if !slices.Contains(m.silent, name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// typed puts a value into its property's type where GitLab is loose about it.
func typed(value resource.PropertyValue, property *standin.Property) resource.PropertyValue {
	switch {
	case property.Type == "string" && value.IsNumber():
		return resource.NewProperty(strconv.FormatFloat(value.NumberValue(), 'f', -1, 64))
	case (property.Type == "integer" || property.Type == "number") && value.IsString():
		if number, err := strconv.ParseFloat(value.StringValue(), 64); err == nil {
			return resource.NewProperty(number)
		}
	}
	return value
}

func emptyOf(property *standin.Property) resource.PropertyValue {
	switch property.Type {
	case "boolean":
		return resource.NewProperty(false)
	case "integer", "number":
		return resource.NewProperty(0.0)
	case "array":
		return resource.NewProperty([]resource.PropertyValue{})
	case "string":
		return resource.NewProperty("")
	}
	return resource.NewProperty(resource.PropertyMap{})
}

// settled is what was given where what was read means the same: the same set, or an object whose given entries are so.
func settled(given, read resource.PropertyValue) resource.PropertyValue {
	switch {
	case given.IsArray() && read.IsArray() && sameSet(given.ArrayValue(), read.ArrayValue()):
		return given
	case given.IsObject() && read.IsObject():
		entries := resource.PropertyMap{}
		for key, value := range given.ObjectValue() {
			entries[key] = value
			if entry, known := read.ObjectValue()[key]; known {
				entries[key] = settled(value, entry)
			}
		}
		return resource.NewProperty(entries)
	}
	return read
}

func sameSet(a, b []resource.PropertyValue) bool {
	return len(a) == len(b) && slices.Equal(sortedTexts(a), sortedTexts(b))
}

func sortedTexts(values []resource.PropertyValue) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		text, err := json.Marshal(value.Mappable())
		if err != nil {
			text = []byte(value.String())
		}
		texts[i] = string(text)
	}
	slices.Sort(texts)
	return texts
}

// snake turns a property's name into an attribute's.
func snake(name string) string {
	var spelled strings.Builder
	for _, letter := range name {
		if unicode.IsUpper(letter) {
			spelled.WriteByte('_')
		}
		spelled.WriteRune(unicode.ToLower(letter))
	}
	return spelled.String()
}

// camel turns an attribute's name into a property's.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words {
		if i > 0 && word != "" {
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}

// renameKeys spells the keys of objects in a value anew.
func renameKeys(value any, spell func(string) string) any {
	switch value := value.(type) {
	case map[string]any:
		renamed := make(map[string]any, len(value))
		for key, entry := range value {
			renamed[spell(key)] = renameKeys(entry, spell)
		}
		return renamed
	case []any:
		renamed := make([]any, len(value))
		for i, entry := range value {
			renamed[i] = renameKeys(entry, spell)
		}
		return renamed
	}
	return value
}

// text is an attribute as it stands in an identifier.
func text(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}

// str is an input as it stands in an identifier or a path; empty when it is not given.
func str(inputs resource.PropertyMap, key string) string {
	value, given := inputs[resource.PropertyKey(key)]
	if !given {
		return ""
	}
	return text(value.Mappable())
}

// flag is a boolean input; false when it is not given.
func flag(inputs resource.PropertyMap, key string) bool {
	value, given := inputs[resource.PropertyKey(key)]
	return given && value.IsBool() && value.BoolValue()
}
