// Command pulumi-resource-command is the lab's stand-in for Pulumi's command provider.
package main

import (
	"auto-devops/lab/plugins/internal/command"
	"auto-devops/lab/plugins/internal/standin"
)

func main() { standin.Main(command.Package()) }
