// Command pulumi-resource-docker is the lab's stand-in for Pulumi's docker provider.
package main

import (
	"auto-devops/lab/plugins/internal/docker"
	"auto-devops/lab/plugins/internal/standin"
)

func main() { standin.Main(docker.Package()) }
