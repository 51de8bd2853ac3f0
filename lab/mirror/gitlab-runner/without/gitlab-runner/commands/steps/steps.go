package steps

import (
	"github.com/urfave/cli"

	steprunner "gitlab.com/gitlab-org/step-runner"
)

// SubCommandName is the command's name.
const SubCommandName = "steps"

// NewCommand returns a command that fails: there is no step-runner.
func NewCommand() cli.Command {
	return cli.Command{
		Name:            SubCommandName,
		Usage:           "fails: this build has no step-runner",
		SkipFlagParsing: true,
		Action:          func(*cli.Context) error { return steprunner.Err },
	}
}
