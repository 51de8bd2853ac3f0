module auto-devops/lab/mirror/images/defaultbackend

go 1.26.0
