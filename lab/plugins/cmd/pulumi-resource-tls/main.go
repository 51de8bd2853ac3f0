// Command pulumi-resource-tls is the lab's stand-in for Pulumi's tls provider.
package main

import (
	"auto-devops/lab/plugins/internal/standin"
	"auto-devops/lab/plugins/internal/tls"
)

func main() { standin.Main(tls.Package()) }
