package docker

import (
	"context"
	"fmt"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

// inUseLimit is how long a network or volume that something still uses is waited for: what uses it may be on its way out.
const inUseLimit = 30 * time.Second

type networks struct{ *engine }

type ipamConfig struct {
	Subnet     string            `json:"subnet,omitempty"`
	IPRange    string            `json:"ipRange,omitempty"`
	Gateway    string            `json:"gateway,omitempty"`
	AuxAddress map[string]string `json:"auxAddress,omitempty"`
}

type networkInputs struct {
	Name string `json:"name"`
}

type networkOutputs struct {
	Name        string            `json:"name"`
	Driver      string            `json:"driver"`
	Internal    bool              `json:"internal"`
	Scope       string            `json:"scope"`
	Options     map[string]string `json:"options"`
	IpamConfigs []ipamConfig      `json:"ipamConfigs"`
}

func (n networks) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs networkInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	docker, err := n.client()
	if err != nil {
		return "", nil, err
	}
	created, err := docker.NetworkCreate(ctx, inputs.Name, network.CreateOptions{})
	if cerrdefs.IsConflict(err) {
		return "", nil, fmt.Errorf("network %s exists already on %s and is not this stack's: remove it there "+
			"(docker network rm %s), or give another name: %w", inputs.Name, n.settings.Host, inputs.Name, err)
	}
	if err != nil {
		return "", nil, fmt.Errorf("cannot create network %s: %w", inputs.Name, n.explain(err))
	}
	found, exists, err := n.inspect(ctx, created.ID, call.Inputs)
	if err == nil && !exists {
		err = fmt.Errorf("network %s vanished as soon as it was created", inputs.Name)
	}
	return created.ID, found, err
}

func (n networks) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	return n.inspect(ctx, call.ID, call.Inputs)
}

func (n networks) inspect(
	ctx context.Context, id string, inputs resource.PropertyMap,
) (resource.PropertyMap, bool, error) {
	docker, err := n.client()
	if err != nil {
		return nil, false, err
	}
	inspected, err := docker.NetworkInspect(ctx, id, network.InspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot inspect network %s: %w", id, n.explain(err))
	}
	outputs := networkOutputs{
		Name: inspected.Name, Driver: inspected.Driver, Internal: inspected.Internal, Scope: inspected.Scope,
		Options: inspected.Options,
	}
	for _, config := range inspected.IPAM.Config {
		outputs.IpamConfigs = append(outputs.IpamConfigs, ipamConfig(config))
	}
	found, err := standin.Encode(outputs)
	return absent(found, inputs), true, err
}

func (n networks) remove(ctx context.Context, call *standin.Call) error {
	docker, err := n.client()
	if err != nil {
		return err
	}
	err = eventually(ctx, inUseLimit, func() (bool, error) {
		err := docker.NetworkRemove(ctx, call.ID)
		busy := err != nil && strings.Contains(err.Error(), "has active endpoints")
		return !busy, err
	})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("cannot remove network %s: %w", call.ID, n.explain(err))
	}
	return nil
}

// absent leaves out what the program gives: the state keeps it as given.
func absent(found, inputs resource.PropertyMap) resource.PropertyMap {
	rest := resource.PropertyMap{}
	for key, value := range found {
		if _, given := inputs[key]; !given {
			rest[key] = value
		}
	}
	return rest
}
