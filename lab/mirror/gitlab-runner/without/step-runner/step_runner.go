// Package steprunner stands where GitLab's step-runner would be: its module cannot be had here. It declares what GitLab
// Runner's own packages mention of it, and whatever would do something fails with Err.
package steprunner

import "errors"

// Err says what is missing, wherever a job comes to need it.
var Err = errors.New("this build of GitLab Runner by the lab has no step-runner: " +
	"the CI keyword `run`, job inputs and the flags FF_USE_NATIVE_STEPS, FF_CONCRETE and FF_SCRIPT_TO_STEP_MIGRATION need it")
