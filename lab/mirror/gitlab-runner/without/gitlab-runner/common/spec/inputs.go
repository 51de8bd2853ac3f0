package spec

import (
	"encoding/json"

	steprunner "gitlab.com/gitlab-org/step-runner"
)

// Inputs of a job: none.
type Inputs struct{}

// InputExpander has places for values of inputs.
type InputExpander interface {
	Expand(*Inputs) error
}

// UnmarshalJSON refuses a job that has inputs: what evaluates them, step-runner and moa, is not there.
func (*Inputs) UnmarshalJSON(data []byte) error {
	var inputs []json.RawMessage
	if err := json.Unmarshal(data, &inputs); err != nil {
		return err
	}
	if len(inputs) > 0 {
		return steprunner.Err
	}
	return nil
}

// SetMetricsCollector counts nothing.
func (*Inputs) SetMetricsCollector(*JobInputsMetricsCollector) {}

// ExpandInputs leaves everything as it is, as for any job without inputs.
func ExpandInputs(*Inputs, any) error { return nil }
