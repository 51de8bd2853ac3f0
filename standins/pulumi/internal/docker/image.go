package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

type images struct{ *engine }

type imageInputs struct {
	Name        string `json:"name"`
	KeepLocally bool   `json:"keepLocally"`
}

func (i images) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs imageInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	docker, err := i.client()
	if err != nil {
		return "", nil, err
	}
	found, err := i.ensure(ctx, call, docker, inputs.Name)
	if err != nil {
		return "", nil, err
	}
	return found.ID + inputs.Name, imageOutputs(inputs.Name, found), nil
}

// ensure finds an image on the engine, or pulls it.
func (e *engine) ensure(
	ctx context.Context, call *standin.Call, docker *client.Client, name string,
) (image.InspectResponse, error) {
	found, err := docker.ImageInspect(ctx, name)
	if cerrdefs.IsNotFound(err) {
		if err := e.pull(ctx, call, docker, name); err != nil {
			return found, err
		}
		found, err = docker.ImageInspect(ctx, name)
	}
	if err != nil {
		return found, fmt.Errorf("cannot inspect image %s: %w", name, e.explain(err))
	}
	return found, nil
}

func (e *engine) pull(ctx context.Context, call *standin.Call, docker *client.Client, name string) error {
	call.Status(ctx, fmt.Sprintf("pulling %s", name))
	progress, err := docker.ImagePull(ctx, name, image.PullOptions{})
	if err != nil {
		return fmt.Errorf("cannot pull %s: %w", name, e.explain(err))
	}
	defer func() { _ = progress.Close() }()
	decoder := json.NewDecoder(progress)
	for {
		var message struct {
			Status string `json:"status"`
			ID     string `json:"id"`
			Error  string `json:"error"`
		}
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("cannot pull %s: %w", name, e.explain(err))
		case message.Error != "":
			return fmt.Errorf("cannot pull %s: %s", name, message.Error)
		case message.ID != "" && (message.Status == "Pull complete" || message.Status == "Download complete"):
			call.Status(ctx, fmt.Sprintf("pulling %s: %s %s", name, message.ID, strings.ToLower(message.Status)))
		}
	}
}

func imageOutputs(name string, found image.InspectResponse) resource.PropertyMap {
	return resource.PropertyMap{
		"imageId":    resource.NewProperty(found.ID),
		"repoDigest": resource.NewProperty(repoDigest(name, found.RepoDigests)),
	}
}

// repoDigest is the digest that the name's own repository gave the image; an image that no registry gave has none.
func repoDigest(name string, digests []string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	for _, digest := range digests {
		candidate, err := reference.ParseNormalizedNamed(digest)
		if err == nil && candidate.Name() == named.Name() {
			return digest
		}
	}
	return ""
}

func (i images) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	var inputs imageInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return nil, false, err
	}
	docker, err := i.client()
	if err != nil {
		return nil, false, err
	}
	found, err := docker.ImageInspect(ctx, inputs.Name)
	if cerrdefs.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot inspect image %s: %w", inputs.Name, i.explain(err))
	}
	return imageOutputs(inputs.Name, found), true, nil
}

// update: what can change in place says only how the image is removed. As upstream, the image is looked up again.
func (i images) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	var inputs imageInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return nil, err
	}
	docker, err := i.client()
	if err != nil {
		return nil, err
	}
	found, err := i.ensure(ctx, call, docker, inputs.Name)
	if err != nil {
		return nil, err
	}
	return imageOutputs(inputs.Name, found), nil
}

func (i images) remove(ctx context.Context, call *standin.Call) error {
	var inputs imageInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return err
	}
	if inputs.KeepLocally {
		return nil
	}
	docker, err := i.client()
	if err != nil {
		return err
	}
	_, err = docker.ImageRemove(ctx, inputs.Name, image.RemoveOptions{PruneChildren: true})
	if cerrdefs.IsConflict(err) {
		return fmt.Errorf("image %s is in use by a container that this stack does not have; "+
			"remove that, or set keepLocally: %w", inputs.Name, err)
	}
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("cannot remove image %s: %w", inputs.Name, i.explain(err))
	}
	return nil
}
