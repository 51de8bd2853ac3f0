// Package docker performs `docker:index` for the lab: networks, volumes, images and containers on an engine, through Docker's
// own client library, by the rules of terraform-provider-docker on which the official provider is built.
//
// It owns the connection to the engine. It does not build images and knows nothing of swarm.
package docker

import (
	_ "embed"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

//go:embed schema.json
var schema []byte

// Package is the provider.
func Package() *standin.Package {
	engine := &engine{}
	networks, volumes := networks{engine}, volumes{engine}
	images, containers := images{engine}, containers{engine}
	return &standin.Package{
		Version:         "5.2.0",
		Schema:          schema,
		ConfigPerformed: strings.Fields("caMaterial certMaterial disableDockerDaemonCheck host keyMaterial"),
		CheckConfig:     checkConfig,
		Configure:       engine.configure,
		Resources: map[string]*standin.Resource{
			"docker:index/network:Network": {
				Performed: []string{"name"},
				Autonamed: true,
				Create:    networks.create,
				Read:      networks.read,
				Delete:    networks.remove,
			},
			"docker:index/volume:Volume": {
				Performed: []string{"name"},
				Autonamed: true,
				Create:    volumes.create,
				Read:      volumes.read,
				Delete:    volumes.remove,
			},
			"docker:index/remoteImage:RemoteImage": {
				Performed: []string{"keepLocally", "name"},
				Create:    images.create,
				Read:      images.read,
				Update:    images.update,
				Delete:    images.remove,
			},
			"docker:index/container:Container": {
				Performed: strings.Fields("destroyGraceSeconds dns envs healthcheck.interval healthcheck.retries healthcheck.tests " +
					"healthcheck.timeout hostname image logDriver logOpts name networksAdvanced.aliases networksAdvanced.name ports.external " +
					"ports.internal restart shmSize stopTimeout uploads.content uploads.file uploads.permissions volumes.containerPath " +
					"volumes.hostPath volumes.volumeName wait waitTimeout"),
				Autonamed: true,
				Unordered: []string{"dns", "envs", "networksAdvanced", "uploads", "volumes"},
				// They are in the outputs; what of them is not performed has no other value.
				Defaults: resource.PropertyMap{
					"attach": resource.NewProperty(false),
					"containerReadRefreshTimeoutMilliseconds": resource.NewProperty(15000.0),
					"logs":          resource.NewProperty(false),
					"mustRun":       resource.NewProperty(true),
					"networkMode":   resource.NewProperty("bridge"),
					"readOnly":      resource.NewProperty(false),
					"removeVolumes": resource.NewProperty(true),
					"restart":       resource.NewProperty("no"),
					"rm":            resource.NewProperty(false),
					"start":         resource.NewProperty(true),
					"stdinOpen":     resource.NewProperty(false),
					"tty":           resource.NewProperty(false),
					"wait":          resource.NewProperty(false),
					"waitTimeout":   resource.NewProperty(60.0),
				},
				Mended: []string{"restart"},
				Check:  checkContainer,
				Create: containers.create,
				Read:   containers.read,
				Update: containers.update,
				Delete: containers.remove,
			},
		},
	}
}
