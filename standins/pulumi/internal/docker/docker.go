// Package docker performs `docker:index` for the lab: networks, volumes, images and containers on an engine, through Docker's
// own client library, by the rules of terraform-provider-docker on which the official provider is built.
//
// It owns the connection to the engine. It does not build images and knows nothing of swarm.
package docker

import (
	_ "embed"

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
		Version:            "5.2.0",
		Schema:             schema,
		ConfigNotPerformed: []string{"context", "sshOpts", "registryAuth.configFile", "registryAuth.configFileContent"},
		CheckConfig:        checkConfig,
		Configure:          engine.configure,
		Resources: map[string]*standin.Resource{
			"docker:index/network:Network": {
				Autonamed:    true,
				Unordered:    []string{"ipamConfigs", "labels"},
				NotPerformed: []string{"ingress"},
				Create:       networks.create,
				Read:         networks.read,
				Delete:       networks.remove,
			},
			"docker:index/volume:Volume": {
				Autonamed:    true,
				Unordered:    []string{"labels"},
				NotPerformed: []string{"cluster"},
				Create:       volumes.create,
				Read:         volumes.read,
				Delete:       volumes.remove,
			},
			"docker:index/remoteImage:RemoteImage": {
				Unordered:    []string{"pullTriggers"},
				NotPerformed: []string{"build", "platform"},
				Create:       images.create,
				Read:         images.read,
				Update:       images.update,
				Delete:       images.remove,
			},
			"docker:index/container:Container": {
				Autonamed: true,
				Unordered: []string{
					"capabilities", "dns", "envs", "labels", "networksAdvanced", "securityOpts", "uploads", "volumes",
				},
				NotPerformed: []string{
					"cgroupParent", "cgroupnsMode", "cpuPeriod", "cpuQuota", "cpus", "deviceReadBps", "deviceReadIops", "deviceRequests",
					"deviceWriteBps", "deviceWriteIops", "devices", "dnsOpts", "dnsSearches", "domainname", "gpus", "groupAdds", "hosts",
					"mounts", "networksAdvanced.gwPriority", "pidMode", "platform", "publishAllPorts", "storageOpts", "sysctls", "tmpfs",
					"ulimits", "usernsMode",
				},
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
				Mended: updatable,
				Check:  checkContainer,
				Create: containers.create,
				Read:   containers.read,
				Update: containers.update,
				Delete: containers.remove,
			},
		},
	}
}

// label is how the schema spells an entry of a map of labels.
type label struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

func labelMap(labels []label) map[string]string {
	entries := make(map[string]string, len(labels))
	for _, entry := range labels {
		entries[entry.Label] = entry.Value
	}
	return entries
}
