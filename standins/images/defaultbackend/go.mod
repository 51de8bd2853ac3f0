module auto-devops/standins/images/defaultbackend

go 1.26.0
