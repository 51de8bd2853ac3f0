// Package schema has the type of a step, of which there is none.
package schema

import steprunner "gitlab.com/gitlab-org/step-runner"

// Step of a job.
type Step struct{}

// UnmarshalJSON refuses it: so does the runner the job, with this reason in its log.
func (*Step) UnmarshalJSON([]byte) error { return steprunner.Err }
