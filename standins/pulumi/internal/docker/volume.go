package docker

import (
	"context"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

type volumes struct{ *engine }

type volumeInputs struct {
	Name string `json:"name"`
}

func (v volumes) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs volumeInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	docker, err := v.client()
	if err != nil {
		return "", nil, err
	}
	created, err := docker.VolumeCreate(ctx, volume.CreateOptions{Name: inputs.Name})
	if err != nil {
		return "", nil, fmt.Errorf("cannot create volume %s: %w", inputs.Name, v.explain(err))
	}
	return created.Name, absent(volumeOutputs(created), call.Inputs), nil
}

func volumeOutputs(found volume.Volume) resource.PropertyMap {
	return resource.PropertyMap{
		"name":       resource.NewProperty(found.Name),
		"driver":     resource.NewProperty(found.Driver),
		"mountpoint": resource.NewProperty(found.Mountpoint),
	}
}

func (v volumes) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	docker, err := v.client()
	if err != nil {
		return nil, false, err
	}
	found, err := docker.VolumeInspect(ctx, call.ID)
	if cerrdefs.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot inspect volume %s: %w", call.ID, v.explain(err))
	}
	return absent(volumeOutputs(found), call.Inputs), true, nil
}

func (v volumes) remove(ctx context.Context, call *standin.Call) error {
	docker, err := v.client()
	if err != nil {
		return err
	}
	err = eventually(ctx, inUseLimit, func() (bool, error) {
		err := docker.VolumeRemove(ctx, call.ID, false)
		return !cerrdefs.IsConflict(err), err
	})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("cannot remove volume %s: %w", call.ID, v.explain(err))
	}
	return nil
}
