module auto-devops/lab/mirror/kubernetes/pause

go 1.26.0
