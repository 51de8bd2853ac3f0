package docker

import (
	"archive/tar"
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"auto-devops/standins/pulumi/internal/standin"
)

const mebibyte = 1024 * 1024

// containerInputs are the inputs of a container, as the schema names them.
type containerInputs struct {
	Image       string            `json:"image"`
	Name        string            `json:"name"`
	Envs        []string          `json:"envs"`
	Hostname    string            `json:"hostname"`
	StopTimeout *int              `json:"stopTimeout"`
	Healthcheck *healthcheck      `json:"healthcheck"`
	Ports       []port            `json:"ports"`
	Volumes     []volumeMount     `json:"volumes"`
	Uploads     []upload          `json:"uploads"`
	Networks    []endpoint        `json:"networksAdvanced"`
	NetworkMode string            `json:"networkMode"`
	DNS         []string          `json:"dns"`
	Restart     string            `json:"restart"`
	LogDriver   string            `json:"logDriver"`
	LogOpts     map[string]string `json:"logOpts"`
	ShmSize     int64             `json:"shmSize"`

	Wait                bool  `json:"wait"`
	WaitTimeout         int   `json:"waitTimeout"`
	DestroyGraceSeconds int   `json:"destroyGraceSeconds"`
	StartLimit          int64 `json:"containerReadRefreshTimeoutMilliseconds"`
}

type healthcheck struct {
	Tests         []string `json:"tests,omitempty"`
	Interval      string   `json:"interval,omitempty"`
	Timeout       string   `json:"timeout,omitempty"`
	StartPeriod   string   `json:"startPeriod,omitempty"`
	StartInterval string   `json:"startInterval,omitempty"`
	Retries       int      `json:"retries"`
}

type port struct {
	Internal int `json:"internal"`
	External int `json:"external"`
}

type volumeMount struct {
	ContainerPath string `json:"containerPath"`
	HostPath      string `json:"hostPath"`
	VolumeName    string `json:"volumeName"`
}

type upload struct {
	File        string `json:"file"`
	Content     string `json:"content"`
	Permissions string `json:"permissions"`
}

type endpoint struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

var restartPolicies = []string{"no", "on-failure", "always", "unless-stopped"}

// checkContainer refuses what the engine would refuse later, or take for something else.
func checkContainer(given resource.PropertyMap) []plugin.CheckFailure {
	var inputs containerInputs
	if err := standin.Decode(given, &inputs); err != nil {
		return []plugin.CheckFailure{{Reason: err.Error()}}
	}
	var failures []plugin.CheckFailure
	fail := func(property, format string, args ...any) {
		failures = append(failures, plugin.CheckFailure{
			Property: resource.PropertyKey(property), Reason: fmt.Sprintf(format, args...),
		})
	}
	if _, ok := given["restart"]; ok && !slices.Contains(restartPolicies, inputs.Restart) {
		fail("restart", "got %q, allowed: %s", inputs.Restart, strings.Join(restartPolicies, ", "))
	}
	if _, err := inputs.Healthcheck.config(); err != nil {
		fail("healthcheck", "%v", err)
	}
	for i, p := range inputs.Ports {
		if p.External == 0 {
			fail(fmt.Sprintf("ports[%d].external", i), "missing: the lab's stand-in leaves no port to the engine")
		}
	}
	for i, v := range inputs.Volumes {
		if v.source() == "" || v.ContainerPath == "" {
			fail(fmt.Sprintf("volumes[%d]", i), "the lab's stand-in wants containerPath, and hostPath or volumeName")
		}
	}
	for i, file := range inputs.Uploads {
		if _, err := file.mode(); err != nil {
			fail(fmt.Sprintf("uploads[%d].permissions", i), "%v", err)
		}
	}
	return failures
}

func (h *healthcheck) config() (*container.HealthConfig, error) {
	if h == nil {
		return nil, nil
	}
	config := &container.HealthConfig{Test: h.Tests, Retries: h.Retries}
	durations := []struct {
		name, text string
		target     *time.Duration
	}{
		{"interval", h.Interval, &config.Interval},
		{"timeout", h.Timeout, &config.Timeout},
	}
	for _, duration := range durations {
		if duration.text == "" {
			continue
		}
		parsed, err := time.ParseDuration(duration.text)
		if err != nil || parsed < 0 {
			return nil, fmt.Errorf("%s: got %q, expected a duration such as 10s or 1m", duration.name, duration.text)
		}
		*duration.target = parsed
	}
	return config, nil
}

// config is what runs in the container.
func (c *containerInputs) config() (*container.Config, error) {
	health, err := c.Healthcheck.config()
	if err != nil {
		return nil, fmt.Errorf("healthcheck.%w", err)
	}
	config := &container.Config{
		Image: c.Image, Env: c.Envs, Hostname: c.Hostname, StopTimeout: c.StopTimeout, Healthcheck: health,
		ExposedPorts: nat.PortSet{},
	}
	for _, p := range c.Ports {
		config.ExposedPorts[p.key()] = struct{}{}
	}
	return config, nil
}

func (p port) key() nat.Port { return nat.Port(fmt.Sprintf("%d/tcp", p.Internal)) }

// hostConfig is how the engine runs it.
func (c *containerInputs) hostConfig() *container.HostConfig {
	config := &container.HostConfig{
		RestartPolicy: c.restartPolicy(), NetworkMode: container.NetworkMode(c.NetworkMode),
		DNS: c.DNS, ShmSize: c.ShmSize * mebibyte,
		LogConfig:    container.LogConfig{Type: c.LogDriver, Config: c.LogOpts},
		PortBindings: nat.PortMap{},
	}
	for _, p := range c.Ports {
		binding := nat.PortBinding{HostPort: strconv.Itoa(p.External)}
		config.PortBindings[p.key()] = append(config.PortBindings[p.key()], binding)
	}
	for _, v := range c.Volumes {
		config.Binds = append(config.Binds, strings.Join([]string{v.source(), v.ContainerPath, "rw"}, ":"))
	}
	return config
}

func (v volumeMount) source() string {
	if v.HostPath != "" {
		return v.HostPath
	}
	return v.VolumeName
}

func (c *containerInputs) restartPolicy() container.RestartPolicy {
	return container.RestartPolicy{Name: container.RestartPolicyMode(c.Restart)}
}

// archive packs the uploads, which the engine unpacks at the container's root.
func archive(uploads []upload) (*bytes.Buffer, error) {
	buffer := &bytes.Buffer{}
	writer := tar.NewWriter(buffer)
	for _, file := range uploads {
		mode, err := file.mode()
		if err != nil {
			return nil, fmt.Errorf("upload of %s: permissions: %w", file.File, err)
		}
		header := &tar.Header{
			Name: strings.TrimPrefix(file.File, "/"), Mode: mode, Size: int64(len(file.Content)), ModTime: time.Now(),
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("upload of %s: %w", file.File, err)
		}
		if _, err := writer.Write([]byte(file.Content)); err != nil {
			return nil, fmt.Errorf("upload of %s: %w", file.File, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("cannot pack the uploads: %w", err)
	}
	return buffer, nil
}

func (u upload) mode() (int64, error) {
	if u.Permissions == "" {
		return 0o644, nil
	}
	mode, err := strconv.ParseInt(u.Permissions, 8, 64)
	if err != nil || len(u.Permissions) != 4 || u.Permissions[0] != '0' {
		return 0, fmt.Errorf("got %q, expected four octal digits such as 0644", u.Permissions)
	}
	return mode, nil
}
