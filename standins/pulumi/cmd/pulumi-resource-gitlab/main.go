// Command pulumi-resource-gitlab stands in for Pulumi's gitlab provider.
package main

import (
	"auto-devops/standins/pulumi/internal/gitlab"
	"auto-devops/standins/pulumi/internal/standin"
)

func main() { standin.Main(gitlab.Package()) }
