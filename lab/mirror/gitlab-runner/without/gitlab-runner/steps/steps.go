package steps

import "errors"

// ErrNoStepRunnerButOkay says that a container ended well by itself.
var ErrNoStepRunnerButOkay = errors.New("no step runner but okay")
