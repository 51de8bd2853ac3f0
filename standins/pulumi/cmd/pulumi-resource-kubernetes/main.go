// Command pulumi-resource-kubernetes is the lab's stand-in for Pulumi's Kubernetes provider.
package main

import "auto-devops/standins/pulumi/internal/kubernetes"

func main() { kubernetes.Main() }
