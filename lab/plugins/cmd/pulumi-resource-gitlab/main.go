// Command pulumi-resource-gitlab stands in for Pulumi's gitlab provider.
package main

import (
	"auto-devops/lab/plugins/internal/gitlab"
	"auto-devops/lab/plugins/internal/standin"
)

func main() { standin.Main(gitlab.Package()) }
