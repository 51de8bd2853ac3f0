package snowplow

import (
	"errors"

	"github.com/sirupsen/logrus"

	"gitlab.com/gitlab-org/gitlab-runner/helpers/usage_log"
)

var errAbsent = errors.New("this build of GitLab Runner by the lab has no labkit: usage is reported to nobody")

// Writer writes nothing.
type Writer struct{}

// New fails.
func New(logrus.FieldLogger, string, ...Option) (*Writer, error) { return nil, errAbsent }

// Store fails.
func (*Writer) Store(usage_log.Record) error { return errAbsent }

// Close has nothing to close.
func (*Writer) Close() error { return nil }
