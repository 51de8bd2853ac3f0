package gitlab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"gitlab.com/gitlab-org/api/client-go"
)

// accessLevels are GitLab's, by the official provider's names for them.
var accessLevels = []struct {
	name  string
	level gitlab.AccessLevelValue
}{
	{"no one", gitlab.NoPermissions},
	{"minimal", gitlab.MinimalAccessPermissions},
	{"guest", gitlab.GuestPermissions},
	{"planner", gitlab.PlannerPermissions},
	{"reporter", gitlab.ReporterPermissions},
	{"security_manager", 25},
	{"developer", gitlab.DeveloperPermissions},
	{"maintainer", gitlab.MaintainerPermissions},
	{"owner", gitlab.OwnerPermissions},
	{"admin", gitlab.AdminPermissions},
}

// level is the number of an access level's name.
func level(name any) any {
	for _, access := range accessLevels {
		if access.name == name {
			return int(access.level)
		}
	}
	return name
}

// levelName is the name of an access level's number.
func levelName(number any) any {
	for _, access := range accessLevels {
		if number == float64(access.level) {
			return access.name
		}
	}
	return text(number)
}

var accessLevel = conversion{toAPI: level, fromAPI: levelName}

// oneOf is what is wrong with an input that must be one of a few words.
func oneOf(inputs resource.PropertyMap, key resource.PropertyKey, allowed ...string) []plugin.CheckFailure {
	value, given := inputs[key]
	if !given || slices.Contains(allowed, value.StringValue()) {
		return nil
	}
	return failure(key, "got %q, allowed: %s", value.StringValue(), strings.Join(allowed, ", "))
}

func failure(key resource.PropertyKey, format string, args ...any) []plugin.CheckFailure {
	return []plugin.CheckFailure{{Property: key, Reason: fmt.Sprintf(format, args...)}}
}
