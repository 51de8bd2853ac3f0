package steps

import (
	"context"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"gitlab.com/gitlab-org/gitlab-runner/common/spec"
	steprunner "gitlab.com/gitlab-org/step-runner"
	"gitlab.com/gitlab-org/step-runner/pkg/api/client"
	"gitlab.com/gitlab-org/step-runner/schema/v1"
)

// Connector connects to the step-runner in a job's container.
type Connector interface {
	Connect(ctx context.Context) (func() (io.ReadWriteCloser, error), error)
}

// JobInfo is what a step-runner would be told of a job.
type JobInfo struct {
	ID         int64
	Timeout    time.Duration
	ProjectDir string
	Variables  spec.Variables
}

// ClientStatusError is how a step-runner's run ended.
type ClientStatusError struct {
	Status client.Status
	Err    error
}

func (e *ClientStatusError) Error() string { return e.Err.Error() }

// ClientInternalError is a step-runner's own failure.
type ClientInternalError struct {
	Err error
}

func (e *ClientInternalError) Error() string { return e.Err.Error() }

// Options of a run.
type Options struct {
	Connector      Connector
	JobInfo        JobInfo
	Steps          []schema.Step
	Trace          io.Writer
	RegisterCancel func(context.CancelFunc)
	Log            *logrus.Entry
}

// Execute fails: there is no step-runner.
func Execute(context.Context, Options) error { return steprunner.Err }
