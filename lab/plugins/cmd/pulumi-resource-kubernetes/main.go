// Command pulumi-resource-kubernetes is the lab's stand-in for Pulumi's Kubernetes provider.
package main

import "auto-devops/lab/plugins/internal/kubernetes"

func main() { kubernetes.Main() }
