// Command pulumi-resource-tls is the lab's stand-in for Pulumi's tls provider.
package main

import (
	"auto-devops/standins/pulumi/internal/standin"
	"auto-devops/standins/pulumi/internal/tls"
)

func main() { standin.Main(tls.Package()) }
