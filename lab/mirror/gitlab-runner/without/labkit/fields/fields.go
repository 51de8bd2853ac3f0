// Package fields has the names of fields in GitLab Runner's log, as far as it takes them from GitLab's labkit, whose
// module cannot be had here.
package fields

// Names of fields.
const (
	DurationS      = "duration_s"
	HTTPStatusCode = "status"
)

// Field says what a name of old is called now.
type Field struct{ Standard string }

// Deprecated is empty: every field has the name that it always had, as is GitLab Runner's default.
var Deprecated = map[string]Field{}

// VariantVersion says since when a field has its new name.
var VariantVersion = map[string]int{}
