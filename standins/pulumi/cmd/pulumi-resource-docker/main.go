// Command pulumi-resource-docker is the lab's stand-in for Pulumi's docker provider.
package main

import (
	"auto-devops/standins/pulumi/internal/docker"
	"auto-devops/standins/pulumi/internal/standin"
)

func main() { standin.Main(docker.Package()) }
