// Command pulumi-resource-command is the lab's stand-in for Pulumi's command provider.
package main

import (
	"auto-devops/standins/pulumi/internal/command"
	"auto-devops/standins/pulumi/internal/standin"
)

func main() { standin.Main(command.Package()) }
