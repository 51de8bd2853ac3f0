package docker

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"auto-devops/standins/pulumi/internal/standin"
)

const mebibyte = 1024 * 1024

// containerInputs are the inputs of a container, as the schema names them.
type containerInputs struct {
	Image       string        `json:"image"`
	Name        string        `json:"name"`
	Command     []string      `json:"command"`
	Entrypoints []string      `json:"entrypoints"`
	Envs        []string      `json:"envs"`
	Labels      []label       `json:"labels"`
	User        string        `json:"user"`
	WorkingDir  string        `json:"workingDir"`
	Hostname    string        `json:"hostname"`
	TTY         bool          `json:"tty"`
	StdinOpen   bool          `json:"stdinOpen"`
	StopSignal  string        `json:"stopSignal"`
	StopTimeout *int          `json:"stopTimeout"`
	Healthcheck *healthcheck  `json:"healthcheck"`
	Ports       []port        `json:"ports"`
	Volumes     []volumeMount `json:"volumes"`
	Uploads     []upload      `json:"uploads"`

	NetworkMode      string     `json:"networkMode"`
	NetworksAdvanced []endpoint `json:"networksAdvanced"`
	DNS              []string   `json:"dns"`

	Restart       string `json:"restart"`
	MaxRetryCount int    `json:"maxRetryCount"`

	Privileged   bool `json:"privileged"`
	ReadOnly     bool `json:"readOnly"`
	Capabilities struct {
		Adds  []string `json:"adds"`
		Drops []string `json:"drops"`
	} `json:"capabilities"`
	SecurityOpts []string          `json:"securityOpts"`
	IpcMode      string            `json:"ipcMode"`
	Runtime      string            `json:"runtime"`
	Init         *bool             `json:"init"`
	LogDriver    string            `json:"logDriver"`
	LogOpts      map[string]string `json:"logOpts"`
	ShmSize      int64             `json:"shmSize"`

	Memory            int64  `json:"memory"`
	MemoryReservation int64  `json:"memoryReservation"`
	MemorySwap        int64  `json:"memorySwap"`
	CPUShares         int64  `json:"cpuShares"`
	CPUSet            string `json:"cpuSet"`

	RM                  bool  `json:"rm"`
	Start               bool  `json:"start"`
	MustRun             bool  `json:"mustRun"`
	Attach              bool  `json:"attach"`
	Logs                bool  `json:"logs"`
	Wait                bool  `json:"wait"`
	WaitTimeout         int   `json:"waitTimeout"`
	RemoveVolumes       bool  `json:"removeVolumes"`
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
	Internal int    `json:"internal"`
	External int    `json:"external,omitempty"`
	IP       string `json:"ip,omitempty"`
	Protocol string `json:"protocol,omitempty"`
}

type volumeMount struct {
	ContainerPath  string `json:"containerPath"`
	HostPath       string `json:"hostPath"`
	VolumeName     string `json:"volumeName"`
	FromContainer  string `json:"fromContainer"`
	ReadOnly       bool   `json:"readOnly"`
	SelinuxRelabel string `json:"selinuxRelabel"`
}

type upload struct {
	File          string `json:"file"`
	Content       string `json:"content"`
	ContentBase64 string `json:"contentBase64"`
	Source        string `json:"source"`
	Permissions   string `json:"permissions"`
	Executable    bool   `json:"executable"`
}

type endpoint struct {
	Name         string   `json:"name"`
	Aliases      []string `json:"aliases"`
	IPv4Address  string   `json:"ipv4Address"`
	IPv6Address  string   `json:"ipv6Address"`
	LinkLocalIPs []string `json:"linkLocalIps"`
	MacAddress   string   `json:"macAddress"`
	DriverOpts   []string `json:"driverOpts"`
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
	if inputs.RM {
		fail("rm", "the lab's stand-in does not perform rm=true: a container that removes itself cannot be kept in a state")
	}
	if _, ok := given["restart"]; ok && !slices.Contains(restartPolicies, inputs.Restart) {
		fail("restart", "got %q, allowed: %s", inputs.Restart, strings.Join(restartPolicies, ", "))
	}
	if slices.Contains(inputs.Command, "") {
		fail("command", "values may not be empty")
	}
	if _, err := inputs.Healthcheck.config(); err != nil {
		fail("healthcheck", "%v", err)
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
		{"startPeriod", h.StartPeriod, &config.StartPeriod},
		{"startInterval", h.StartInterval, &config.StartInterval},
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
		Image: c.Image, Cmd: c.Command, Entrypoint: c.Entrypoints, Env: c.Envs, Labels: labelMap(c.Labels), User: c.User,
		WorkingDir: c.WorkingDir, Hostname: c.Hostname, Tty: c.TTY, OpenStdin: c.StdinOpen,
		StopSignal: c.StopSignal, StopTimeout: c.StopTimeout, Healthcheck: health,
		ExposedPorts: nat.PortSet{}, Volumes: map[string]struct{}{},
	}
	for _, p := range c.Ports {
		config.ExposedPorts[p.key()] = struct{}{}
	}
	for _, v := range c.Volumes {
		if v.HostPath == "" && v.VolumeName == "" && v.FromContainer == "" {
			config.Volumes[v.ContainerPath] = struct{}{}
		}
	}
	return config, nil
}

func (p port) key() nat.Port {
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return nat.Port(fmt.Sprintf("%d/%s", p.Internal, protocol))
}

// hostConfig is how the engine runs it.
func (c *containerInputs) hostConfig() *container.HostConfig {
	config := &container.HostConfig{
		Privileged: c.Privileged, ReadonlyRootfs: c.ReadOnly,
		RestartPolicy: c.restartPolicy(), NetworkMode: container.NetworkMode(c.NetworkMode),
		CapAdd: c.Capabilities.Adds, CapDrop: c.Capabilities.Drops, SecurityOpt: c.SecurityOpts,
		IpcMode: container.IpcMode(c.IpcMode), Runtime: c.Runtime, Init: c.Init,
		DNS: c.DNS, ShmSize: c.ShmSize * mebibyte,
		LogConfig:    container.LogConfig{Type: c.LogDriver, Config: c.LogOpts},
		PortBindings: nat.PortMap{},
		Resources:    c.resources(),
	}
	config.MemoryReservation = c.MemoryReservation * mebibyte
	for _, p := range c.Ports {
		binding := nat.PortBinding{HostIP: p.IP}
		if p.External != 0 {
			binding.HostPort = strconv.Itoa(p.External)
		}
		config.PortBindings[p.key()] = append(config.PortBindings[p.key()], binding)
	}
	for _, v := range c.Volumes {
		if v.FromContainer != "" {
			config.VolumesFrom = append(config.VolumesFrom, v.FromContainer)
		} else if bind := v.bind(); bind != "" {
			config.Binds = append(config.Binds, bind)
		}
	}
	return config
}

// bind is a volume in the engine's `source:target:options` form; empty for an anonymous one.
func (v volumeMount) bind() string {
	source := v.HostPath
	if source == "" {
		source = v.VolumeName
	}
	if source == "" {
		return ""
	}
	options := []string{"rw"}
	if v.ReadOnly {
		options[0] = "ro"
	}
	if v.SelinuxRelabel != "" {
		options = append(options, v.SelinuxRelabel)
	}
	return strings.Join([]string{source, v.ContainerPath, strings.Join(options, ",")}, ":")
}

func (c *containerInputs) restartPolicy() container.RestartPolicy {
	return container.RestartPolicy{
		Name: container.RestartPolicyMode(c.Restart), MaximumRetryCount: c.MaxRetryCount,
	}
}

// resources are the limits that can change while the container runs.
func (c *containerInputs) resources() container.Resources {
	swap := c.MemorySwap
	if swap > 0 {
		swap *= mebibyte
	}
	return container.Resources{
		Memory: c.Memory * mebibyte, MemorySwap: swap, CPUShares: c.CPUShares, CpusetCpus: c.CPUSet,
	}
}

func (e endpoint) settings() (*network.EndpointSettings, error) {
	settings := &network.EndpointSettings{
		Aliases: e.Aliases, MacAddress: e.MacAddress,
		IPAMConfig: &network.EndpointIPAMConfig{
			IPv4Address: e.IPv4Address, IPv6Address: e.IPv6Address, LinkLocalIPs: e.LinkLocalIPs,
		},
	}
	for _, option := range e.DriverOpts {
		name, value, ok := strings.Cut(option, "=")
		if !ok {
			return nil, fmt.Errorf("networksAdvanced.driverOpts: got %q, expected name=value", option)
		}
		if settings.DriverOpts == nil {
			settings.DriverOpts = map[string]string{}
		}
		settings.DriverOpts[name] = value
	}
	return settings, nil
}

// archive packs the uploads, which the engine unpacks at the container's root.
func archive(uploads []upload) (*bytes.Buffer, error) {
	buffer := &bytes.Buffer{}
	writer := tar.NewWriter(buffer)
	for _, file := range uploads {
		content, err := file.bytes()
		if err != nil {
			return nil, fmt.Errorf("upload of %s: %w", file.File, err)
		}
		mode, err := file.mode()
		if err != nil {
			return nil, fmt.Errorf("upload of %s: permissions: %w", file.File, err)
		}
		header := &tar.Header{
			Name: strings.TrimPrefix(file.File, "/"), Mode: mode, Size: int64(len(content)), ModTime: time.Now(),
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("upload of %s: %w", file.File, err)
		}
		if _, err := writer.Write(content); err != nil {
			return nil, fmt.Errorf("upload of %s: %w", file.File, err)
		}
	}
	if err := writer.Close(); err != nil {
		return nil, fmt.Errorf("cannot pack the uploads: %w", err)
	}
	return buffer, nil
}

func (u upload) bytes() ([]byte, error) {
	given := 0
	for _, source := range []string{u.Content, u.ContentBase64, u.Source} {
		if source != "" {
			given++
		}
	}
	if given != 1 {
		return nil, fmt.Errorf("expected one of content, contentBase64 and source, got %d", given)
	}
	switch {
	case u.Source != "":
		return os.ReadFile(u.Source)
	case u.ContentBase64 != "":
		return base64.StdEncoding.DecodeString(u.ContentBase64)
	}
	return []byte(u.Content), nil
}

func (u upload) mode() (int64, error) {
	if u.Permissions != "" {
		mode, err := strconv.ParseInt(u.Permissions, 8, 64)
		if err != nil || len(u.Permissions) != 4 || u.Permissions[0] != '0' {
			return 0, fmt.Errorf("got %q, expected four octal digits such as 0644", u.Permissions)
		}
		return mode, nil
	}
	if u.Executable {
		return 0o744, nil
	}
	return 0o644, nil
}
