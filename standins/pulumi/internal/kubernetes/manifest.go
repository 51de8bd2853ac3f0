package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"
)

// What the state keeps beside the live object, under the official provider's names.
const (
	inputsKey            resource.PropertyKey = "__inputs"
	initialAPIVersionKey resource.PropertyKey = "__initialApiVersion"
	fieldManagerKey      resource.PropertyKey = "__fieldManager"
)

// serverFields are metadata that only the server writes.
var serverFields = []string{
	"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "uid",
}

// manifest is the object that inputs (or a state) describe, without secret marks; unknown values are left out. The second
// result says whether there were any.
func manifest(properties resource.PropertyMap) (*unstructured.Unstructured, bool) {
	plain, _ := fromProperty(resource.NewProperty(properties)).(map[string]any)
	for name := range plain {
		if strings.HasPrefix(name, "__") {
			delete(plain, name)
		}
	}
	return &unstructured.Unstructured{Object: plain}, properties.ContainsUnknowns()
}

// fromProperty is a value as JSON has it. An unknown item of a list becomes null, so that the others keep their places.
func fromProperty(value resource.PropertyValue) any {
	switch {
	case value.IsSecret():
		return fromProperty(value.SecretValue().Element)
	case value.IsOutput():
		return fromProperty(value.OutputValue().Element)
	case value.IsObject():
		object := map[string]any{}
		for key, entry := range value.ObjectValue() {
			if plain := fromProperty(entry); plain != nil {
				object[string(key)] = plain
			}
		}
		return object
	case value.IsArray():
		items := make([]any, len(value.ArrayValue()))
		for i, item := range value.ArrayValue() {
			items[i] = fromProperty(item)
		}
		return items
	case value.IsNumber():
		if number := value.NumberValue(); number == math.Trunc(number) && math.Abs(number) < 1<<53 {
			return int64(number)
		}
		return value.NumberValue()
	case value.IsString():
		return value.StringValue()
	case value.IsBool():
		return value.BoolValue()
	}
	return nil
}

// toProperty is a JSON value as a property.
func toProperty(value any) resource.PropertyValue {
	switch value := value.(type) {
	case map[string]any:
		object := resource.PropertyMap{}
		for name, entry := range value {
			object[resource.PropertyKey(name)] = toProperty(entry)
		}
		return resource.NewProperty(object)
	case []any:
		items := make([]resource.PropertyValue, len(value))
		for i, item := range value {
			items[i] = toProperty(item)
		}
		return resource.NewProperty(items)
	}
	return resource.NewPropertyValue(value)
}

// properties of an object, without nulls.
func properties(object map[string]any) resource.PropertyMap {
	result := resource.PropertyMap{}
	for key, value := range toProperty(object).ObjectValue() {
		if !value.IsNull() {
			result[key] = value
		}
	}
	return result
}

// checkpoint is the state of a live object: the object itself, what the program asked for, and who manages its fields. What
// is secret in the inputs is secret in it, and so is everything in a Secret.
func checkpoint(live *unstructured.Unstructured, inputs resource.PropertyMap, manager string) resource.PropertyMap {
	state := properties(live.Object)
	keepSecrets(state, inputs)
	if isSecret(live.GroupVersionKind()) {
		hideSecretData(state)
	}
	version, _ := manifest(inputs)
	state[inputsKey] = resource.NewProperty(inputs.Copy())
	state[initialAPIVersionKey] = resource.NewProperty(version.GetAPIVersion())
	state[fieldManagerKey] = resource.NewProperty(manager)
	return state
}

func isSecret(kind schema.GroupVersionKind) bool { return kind.Group == "" && kind.Kind == "Secret" }

func hideSecretData(properties resource.PropertyMap) {
	for _, key := range []resource.PropertyKey{"data", "stringData"} {
		if value, ok := properties[key]; ok && !value.IsSecret() && value.HasValue() {
			properties[key] = resource.MakeSecret(value)
		}
	}
}

// keepSecrets marks in a what is secret in b.
func keepSecrets(a, b resource.PropertyMap) {
	for key, value := range b {
		if found, ok := a[key]; ok {
			a[key] = keepSecret(found, value)
		}
	}
}

func keepSecret(a, b resource.PropertyValue) resource.PropertyValue {
	switch {
	case b.IsSecret() && !a.IsSecret():
		return resource.MakeSecret(a)
	case a.IsObject() && b.IsObject():
		keepSecrets(a.ObjectValue(), b.ObjectValue())
	case a.IsArray() && b.IsArray() && b.ContainsSecrets():
		// An item has moved if something was put before it: all of them are secret then.
		if len(a.ArrayValue()) != len(b.ArrayValue()) {
			return resource.MakeSecret(a)
		}
		for i, item := range b.ArrayValue() {
			a.ArrayValue()[i] = keepSecret(a.ArrayValue()[i], item)
		}
	}
	return a
}

// decode reads an object into its kind's type. Fields that the type lacks come back by name.
func decode(object *unstructured.Unstructured) (typed any, unknownFields []string, err error) {
	target, err := known.New(object.GroupVersionKind())
	if err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(object.Object)
	if err != nil {
		return nil, nil, fmt.Errorf("the manifest is not JSON: %w", err)
	}
	strict, err := kjson.UnmarshalStrict(text, target)
	if err != nil {
		return nil, nil, err
	}
	for _, problem := range strict {
		unknownFields = append(unknownFields, problem.Error())
	}
	return target, unknownFields, nil
}

// normalized are inputs in the form that the API server would write them: quantities and the like have one spelling, zero
// values that mean the default are left out, and so is what only the server writes. Unknown values stay in their places.
func normalized(inputs resource.PropertyMap) resource.PropertyMap {
	object, _ := manifest(inputs)
	canonical := object.Object
	if typed, _, err := decode(object); err == nil {
		if text, err := json.Marshal(typed); err == nil {
			var written map[string]any
			if kjson.UnmarshalCaseSensitivePreserveInts(text, &written) == nil {
				canonical = written
			}
		}
	}
	result := shaped(resource.NewProperty(inputs), canonical).ObjectValue()
	if metadata, ok := result["metadata"]; ok && metadata.IsObject() {
		for _, name := range serverFields {
			delete(metadata.ObjectValue(), resource.PropertyKey(name))
		}
	}
	return result
}

// shaped are the values of an object where the shape has any; what is unknown in the shape stays unknown.
func shaped(shape resource.PropertyValue, value any) resource.PropertyValue {
	switch {
	case shape.IsSecret():
		return shaped(shape.SecretValue().Element, value)
	case shape.IsComputed() || shape.IsOutput():
		return shape
	case shape.IsObject():
		source, _ := value.(map[string]any)
		object := resource.PropertyMap{}
		for key, entry := range shape.ObjectValue() {
			name := string(key)
			if strings.HasPrefix(name, "__") {
				continue
			}
			if found, ok := source[name]; ok && found != nil || entry.ContainsUnknowns() {
				object[key] = shaped(entry, found)
			}
		}
		return resource.NewProperty(object)
	case shape.IsArray():
		source, _ := value.([]any)
		items := []resource.PropertyValue{}
		for i, entry := range shape.ArrayValue() {
			if i < len(source) {
				items = append(items, shaped(entry, source[i]))
			} else if entry.ContainsUnknowns() {
				items = append(items, entry)
			}
		}
		return resource.NewProperty(items)
	}
	return toProperty(value)
}

// drifted are inputs with what has changed on the live object since the state was taken. What the server wrote differently
// from the inputs in the first place is no drift.
func drifted(inputs resource.PropertyMap, before, now *unstructured.Unstructured) resource.PropertyMap {
	old, current := before.Object, now.Object
	if isSecret(now.GroupVersionKind()) {
		old, current = withStringData(old, inputs), withStringData(current, inputs)
	}
	return drift(resource.NewProperty(inputs), old, current).ObjectValue()
}

func drift(input resource.PropertyValue, before, now any) resource.PropertyValue {
	switch {
	case input.IsSecret():
		return resource.MakeSecret(drift(input.SecretValue().Element, before, now))
	case same(before, now):
		return input
	case input.IsObject():
		was, wasObject := before.(map[string]any)
		is, isObject := now.(map[string]any)
		if !wasObject || !isObject {
			return toProperty(now)
		}
		object := resource.PropertyMap{}
		for key, entry := range input.ObjectValue() {
			old, had := was[string(key)]
			current, has := is[string(key)]
			switch {
			case has:
				object[key] = drift(entry, old, current)
			case !had:
				object[key] = entry
			}
		}
		return resource.NewProperty(object)
	case input.IsArray():
		was, _ := before.([]any)
		is, isArray := now.([]any)
		if !isArray || len(was) != len(is) || len(is) < len(input.ArrayValue()) {
			return toProperty(now)
		}
		items := make([]resource.PropertyValue, len(input.ArrayValue()))
		for i, entry := range input.ArrayValue() {
			items[i] = drift(entry, was[i], is[i])
		}
		return resource.NewProperty(items)
	}
	return toProperty(now)
}

func same(a, b any) bool { return toProperty(a).DeepEquals(toProperty(b)) }

// withStringData shows a Secret's data in the way the inputs gave it: the server keeps stringData encoded in data.
func withStringData(object map[string]any, inputs resource.PropertyMap) map[string]any {
	given, _ := manifest(inputs)
	names, _, _ := unstructured.NestedMap(given.Object, "stringData")
	data, _, _ := unstructured.NestedMap(object, "data")
	plain := map[string]any{}
	for name := range names {
		encoded, ok := data[name].(string)
		if !ok {
			continue
		}
		if text, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			plain[name] = string(text)
		}
	}
	shown := map[string]any{}
	for name, value := range object {
		shown[name] = value
	}
	shown["stringData"] = plain
	return shown
}

// given says whether properties have a value, known or not.
func given(properties resource.PropertyMap, key resource.PropertyKey) bool {
	value, ok := properties[key]
	return ok && !value.IsNull() && !(value.IsString() && value.StringValue() == "")
}

// skipsAwait says whether an object's program does not want to wait for it.
func skipsAwait(object *unstructured.Unstructured) bool {
	return object.GetAnnotations()[annotationSkipAwait] == "true"
}

// address names an object for people and as Pulumi's identifier: namespace/name, or name.
func address(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetName()
	}
	return object.GetNamespace() + "/" + object.GetName()
}

func splitAddress(id string) (namespace, name string) {
	if namespace, name, ok := strings.Cut(id, "/"); ok {
		return namespace, name
	}
	return "", id
}
