package common

import (
	"context"

	"gitlab.com/gitlab-org/gitlab-runner/common/spec"
	steprunner "gitlab.com/gitlab-org/step-runner"
	"gitlab.com/gitlab-org/step-runner/schema/v1"
)

const stepRunBuildStage = BuildStage("step_" + spec.StepNameRun)

// stepDispatch says that a step-runner shall do what a job asks one for: it is not there, and the stage fails.
func stepDispatch(_ *Build, _ Executor, stage BuildStage) (bool, []schema.Step) {
	return stage == stepRunBuildStage, nil
}

// stagesToConcreteStep refuses to leave a whole job to a step-runner.
func stagesToConcreteStep(context.Context, Executor) ([]schema.Step, error) {
	return nil, steprunner.Err
}
