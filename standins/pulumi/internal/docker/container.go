package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

const (
	// shownLogLines of a container that failed are part of the error.
	shownLogLines = 30
	// startDelay is how long a container that ends at once gets to do so.
	startDelay = 250 * time.Millisecond
	// cleanUpLimit is for removing what a failed or cancelled creation left.
	cleanUpLimit = 30 * time.Second
)

type containers struct{ *engine }

func (c containers) create(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs containerInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	config, err := inputs.config()
	if err != nil {
		return "", nil, err
	}
	hostConfig := inputs.hostConfig()
	docker, err := c.client()
	if err != nil {
		return "", nil, err
	}
	if _, err := c.ensure(ctx, call, docker, inputs.Image); err != nil {
		return "", nil, err
	}
	created, err := docker.ContainerCreate(ctx, config, hostConfig, nil, nil, inputs.Name)
	if cerrdefs.IsConflict(err) {
		return "", nil, fmt.Errorf("container %s exists already on %s and is not this stack's: remove it there "+
			"(docker rm -f %s), or give another name: %w", inputs.Name, c.settings.Host, inputs.Name, err)
	}
	if err != nil {
		return "", nil, fmt.Errorf("cannot create container %s: %w", inputs.Name, c.explain(err))
	}
	for _, warning := range created.Warnings {
		call.Warn(ctx, warning)
	}
	if err := c.launch(ctx, call, docker, created.ID, &inputs); err != nil {
		// A container that never worked would keep its name from the next attempt.
		c.discard(ctx, docker, created.ID)
		return "", nil, err
	}
	found, err := c.outputs(ctx, docker, created.ID, call.Inputs)
	if err != nil {
		c.discard(ctx, docker, created.ID)
		return "", nil, err
	}
	found["containerLogs"] = resource.NewProperty("")
	return created.ID, found, nil
}

// discard removes a container whose creation failed, even when the call was cancelled.
func (c containers) discard(ctx context.Context, docker *client.Client, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpLimit)
	defer cancel()
	_ = docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

// launch takes a created container to where the inputs want it.
func (c containers) launch(
	ctx context.Context, call *standin.Call, docker *client.Client, id string, inputs *containerInputs,
) error {
	if err := c.connect(ctx, docker, id, inputs); err != nil {
		return err
	}
	if len(inputs.Uploads) > 0 {
		files, err := archive(inputs.Uploads)
		if err != nil {
			return err
		}
		if err := docker.CopyToContainer(ctx, id, "/", files, container.CopyToContainerOptions{}); err != nil {
			return fmt.Errorf("cannot upload files to container %s: %w", inputs.Name, c.explain(err))
		}
	}
	if err := docker.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return fmt.Errorf("cannot start container %s: %w", inputs.Name, c.explain(err))
	}
	if err := c.awaitRunning(ctx, call, docker, id, inputs); err != nil {
		return err
	}
	if inputs.Wait {
		return c.awaitHealthy(ctx, call, docker, id, inputs)
	}
	return nil
}

// connect puts the container on its networks; with networksAdvanced it leaves the default one, as upstream.
func (c containers) connect(
	ctx context.Context, docker *client.Client, id string, inputs *containerInputs,
) error {
	if len(inputs.Networks) == 0 {
		return nil
	}
	err := docker.NetworkDisconnect(ctx, "bridge", id, false)
	if err != nil && !strings.Contains(err.Error(), "is not connected to") && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("cannot take container %s off the default network: %w", inputs.Name, c.explain(err))
	}
	for _, endpoint := range inputs.Networks {
		settings := &network.EndpointSettings{Aliases: endpoint.Aliases}
		if err := docker.NetworkConnect(ctx, endpoint.Name, id, settings); err != nil {
			return fmt.Errorf("cannot connect container %s to network %s: %w",
				inputs.Name, endpoint.Name, c.explain(err))
		}
	}
	return nil
}

// awaitRunning fails when the container ends at once.
func (c containers) awaitRunning(
	ctx context.Context, call *standin.Call, docker *client.Client, id string, inputs *containerInputs,
) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(startDelay):
	}
	limit := time.Duration(inputs.StartLimit) * time.Millisecond
	return eventually(ctx, limit, func() (bool, error) {
		inspected, err := docker.ContainerInspect(ctx, id)
		if err != nil {
			return true, fmt.Errorf("cannot inspect container %s: %w", inputs.Name, c.explain(err))
		}
		switch {
		case inspected.State.Restarting:
			call.Warn(ctx, fmt.Sprintf("container %s ended with exit status %d and is being restarted; its last lines:\n%s",
				inputs.Name, inspected.State.ExitCode, c.logs(ctx, docker, id)))
			return true, nil
		case inspected.State.Running:
			return true, nil
		case inspected.State.Status == container.StateExited, inspected.State.Status == container.StateDead:
			return true, fmt.Errorf("container %s ended at once with exit status %d%s; its last lines:\n%s",
				inputs.Name, inspected.State.ExitCode, reason(inspected.State), c.logs(ctx, docker, id))
		}
		return false, fmt.Errorf("container %s is %s after %s, expected running",
			inputs.Name, inspected.State.Status, limit)
	})
}

func reason(state *container.State) string {
	switch {
	case state.OOMKilled:
		return " (out of memory)"
	case state.Error != "":
		return fmt.Sprintf(" (%s)", state.Error)
	}
	return ""
}

func (c containers) awaitHealthy(
	ctx context.Context, call *standin.Call, docker *client.Client, id string, inputs *containerInputs,
) error {
	limit := time.Duration(inputs.WaitTimeout) * time.Second
	shown := ""
	return eventually(ctx, limit, func() (bool, error) {
		inspected, err := docker.ContainerInspect(ctx, id)
		if err != nil {
			return true, fmt.Errorf("cannot inspect container %s: %w", inputs.Name, c.explain(err))
		}
		health := inspected.State.Health
		if health == nil || health.Status == container.NoHealthcheck {
			return true, fmt.Errorf("container %s has no health check to wait for: give `healthcheck`, or an image that has one, "+
				"or do not set `wait`", inputs.Name)
		}
		if health.Status == container.Healthy {
			return true, nil
		}
		if !inspected.State.Running && inputs.Restart == "no" {
			return true, fmt.Errorf("container %s ended with exit status %d%s before it was healthy; its last lines:\n%s",
				inputs.Name, inspected.State.ExitCode, reason(inspected.State), c.logs(ctx, docker, id))
		}
		status := fmt.Sprintf("waiting for container %s to be healthy: %s", inputs.Name, lastCheck(health))
		if status != shown {
			call.Status(ctx, status)
			shown = status
		}
		return false, fmt.Errorf("container %s was not healthy within %s (waitTimeout): %s\nits last lines:\n%s",
			inputs.Name, limit, lastCheck(health), c.logs(ctx, docker, id))
	})
}

func lastCheck(health *container.Health) string {
	if len(health.Log) == 0 {
		return health.Status + ", no check has run yet"
	}
	last := health.Log[len(health.Log)-1]
	return fmt.Sprintf("%s, the last check exited with %d: %s", health.Status, last.ExitCode, strings.TrimSpace(last.Output))
}

// logs are a container's last lines; an engine that keeps none gives the reason instead.
func (c containers) logs(ctx context.Context, docker *client.Client, id string) string {
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(shownLogLines)}
	stream, err := docker.ContainerLogs(ctx, id, options)
	if err != nil {
		return fmt.Sprintf("(no logs: %v)", err)
	}
	defer func() { _ = stream.Close() }()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, stream); err != nil {
		return fmt.Sprintf("%s(logs cut short: %v)", text.String(), err)
	}
	return text.String()
}

func (c containers) outputs(
	ctx context.Context, docker *client.Client, id string, inputs resource.PropertyMap,
) (resource.PropertyMap, error) {
	inspected, err := docker.ContainerInspect(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("cannot inspect container %s: %w", id, c.explain(err))
	}
	return describe(inspected, inputs)
}

// containerOutputs are what a container has beside what the program gives.
type containerOutputs struct {
	Bridge       string        `json:"bridge"`
	Command      []string      `json:"command"`
	Entrypoints  []string      `json:"entrypoints"`
	Envs         []string      `json:"envs"`
	ExitCode     int           `json:"exitCode"`
	Healthcheck  *healthcheck  `json:"healthcheck,omitempty"`
	Hostname     string        `json:"hostname"`
	Image        string        `json:"image"`
	Init         bool          `json:"init"`
	IpcMode      string        `json:"ipcMode"`
	Labels       []string      `json:"labels"`
	LogDriver    string        `json:"logDriver"`
	NetworkDatas []networkData `json:"networkDatas"`
	Platform     string        `json:"platform"`
	Runtime      string        `json:"runtime"`
	SecurityOpts []string      `json:"securityOpts"`
	ShmSize      int64         `json:"shmSize"`
	StopSignal   string        `json:"stopSignal"`
	StopTimeout  int           `json:"stopTimeout"`
}

type networkData struct {
	NetworkName         string `json:"networkName"`
	IPAddress           string `json:"ipAddress"`
	IPPrefixLength      int    `json:"ipPrefixLength"`
	Gateway             string `json:"gateway"`
	GlobalIPv6Address   string `json:"globalIpv6Address"`
	GlobalIPv6PrefixLen int    `json:"globalIpv6PrefixLength"`
	IPv6Gateway         string `json:"ipv6Gateway"`
	MacAddress          string `json:"macAddress"`
}

// describe makes the outputs of an inspected container.
func describe(inspected container.InspectResponse, inputs resource.PropertyMap) (resource.PropertyMap, error) {
	config, host := inspected.Config, inspected.HostConfig
	outputs := containerOutputs{
		Command: list(config.Cmd), Entrypoints: list(config.Entrypoint), Hostname: config.Hostname, Image: inspected.Image,
		// As upstream, environment and labels are the program's only: an image's own would look like changes.
		Envs: []string{}, Labels: []string{},
		IpcMode: string(host.IpcMode), LogDriver: host.LogConfig.Type, Platform: inspected.Platform, Runtime: host.Runtime,
		SecurityOpts: list(host.SecurityOpt), ShmSize: host.ShmSize / mebibyte, StopSignal: config.StopSignal,
		Init: host.Init != nil && *host.Init, NetworkDatas: []networkData{},
	}
	if config.StopTimeout != nil {
		outputs.StopTimeout = *config.StopTimeout
	}
	if !inspected.State.Running {
		outputs.ExitCode = inspected.State.ExitCode
	}
	if check := config.Healthcheck; check != nil {
		outputs.Healthcheck = &healthcheck{
			Tests: check.Test, Interval: check.Interval.String(), Timeout: check.Timeout.String(),
			StartPeriod: check.StartPeriod.String(), StartInterval: check.StartInterval.String(), Retries: check.Retries,
		}
	}
	if inspected.NetworkSettings != nil {
		outputs.Bridge = inspected.NetworkSettings.Bridge //nolint:staticcheck // the schema still has it
		for name, endpoint := range inspected.NetworkSettings.Networks {
			outputs.NetworkDatas = append(outputs.NetworkDatas, networkData{
				NetworkName: name, IPAddress: endpoint.IPAddress, IPPrefixLength: endpoint.IPPrefixLen,
				Gateway: endpoint.Gateway, GlobalIPv6Address: endpoint.GlobalIPv6Address,
				GlobalIPv6PrefixLen: endpoint.GlobalIPv6PrefixLen, IPv6Gateway: endpoint.IPv6Gateway,
				MacAddress: endpoint.MacAddress,
			})
		}
		slices.SortFunc(outputs.NetworkDatas, func(a, b networkData) int { return strings.Compare(a.NetworkName, b.NetworkName) })
	}
	encoded, err := standin.Encode(outputs)
	if err != nil {
		return nil, err
	}
	return absent(encoded, inputs), nil
}

func list[S ~[]string](values S) []string {
	return append([]string{}, values...)
}

func (c containers) read(ctx context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	var inputs containerInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return nil, false, err
	}
	docker, err := c.client()
	if err != nil {
		return nil, false, err
	}
	inspected, err := docker.ContainerInspect(ctx, call.ID)
	if cerrdefs.IsNotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot inspect container %s: %w", inputs.Name, c.explain(err))
	}
	if !inspected.State.Running {
		call.Warn(ctx, fmt.Sprintf("container %s has ended with exit status %d, but must run: removing it, "+
			"the next update makes it anew. Its last lines:\n%s",
			inputs.Name, inspected.State.ExitCode, c.logs(ctx, docker, call.ID)))
		return nil, false, c.remove(ctx, call)
	}
	found, err := describe(inspected, call.Inputs)
	if err != nil {
		return nil, false, err
	}
	if _, given := call.Inputs["restart"]; given {
		found["restart"] = resource.NewProperty(string(inspected.HostConfig.RestartPolicy.Name))
	}
	return found, true, nil
}

func (c containers) update(ctx context.Context, call *standin.Call) (resource.PropertyMap, error) {
	var inputs containerInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return nil, err
	}
	changed := func(name string) bool {
		key := resource.PropertyKey(name)
		return !call.Inputs[key].DeepEquals(call.OldInputs[key])
	}
	if changed("healthcheck") {
		call.Warn(ctx, fmt.Sprintf("healthcheck changed, but an existing container keeps the old one, as with the official provider: "+
			"replace the container to apply it (pulumi up --replace %s)", call.URN))
	}
	docker, err := c.client()
	if err != nil {
		return nil, err
	}
	if changed("restart") {
		response, err := docker.ContainerUpdate(ctx, call.ID, container.UpdateConfig{RestartPolicy: inputs.restartPolicy()})
		if err != nil {
			return nil, fmt.Errorf("cannot update container %s: %w", inputs.Name, c.explain(err))
		}
		for _, warning := range response.Warnings {
			call.Warn(ctx, warning)
		}
	}
	return c.outputs(ctx, docker, call.ID, call.Inputs)
}

func (c containers) remove(ctx context.Context, call *standin.Call) error {
	var inputs containerInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return err
	}
	docker, err := c.client()
	if err != nil {
		return err
	}
	if grace := inputs.DestroyGraceSeconds; grace > 0 {
		err := docker.ContainerStop(ctx, call.ID, container.StopOptions{Timeout: &grace})
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot stop container %s: %w", inputs.Name, c.explain(err))
		}
	}
	// Asked for before the removal, the wait cannot miss it.
	waitContext, endWait := context.WithCancel(ctx)
	defer endWait()
	removed, failed := docker.ContainerWait(waitContext, call.ID, container.WaitConditionRemoved)
	err = docker.ContainerRemove(ctx, call.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	// A removal that is under way already ends as ours would.
	if err != nil && !cerrdefs.IsConflict(err) {
		return fmt.Errorf("cannot remove container %s: %w", inputs.Name, c.explain(err))
	}
	select {
	case <-removed:
	case err := <-failed:
		if err != nil && !cerrdefs.IsNotFound(err) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("cannot wait for the removal of container %s: %w", inputs.Name, c.explain(err))
		}
	}
	return nil
}
