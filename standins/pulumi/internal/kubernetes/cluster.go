package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"auto-devops/standins/pulumi/internal/standin"
)

const (
	dialLimit       = 10 * time.Second
	defaultTimeout  = 32 // seconds of one request, as the official provider
	defaultQPS      = 50
	defaultBurst    = 120
	fallbackNS      = "default"
	userAgentPrefix = "pulumi-kubernetes/" + officialVersion
)

// settings are the provider's configuration.
type settings struct {
	Kubeconfig             string `json:"kubeconfig"`
	Context                string `json:"context"`
	Cluster                string `json:"cluster"`
	Namespace              string `json:"namespace"`
	EnableServerSideApply  *bool  `json:"enableServerSideApply"`
	EnableConfigMapMutable bool   `json:"enableConfigMapMutable"`
	EnableSecretMutable    bool   `json:"enableSecretMutable"`
	EnablePatchForce       bool   `json:"enablePatchForce"`
	DeleteUnreachable      bool   `json:"deleteUnreachable"`
	SkipUpdateUnreachable  bool   `json:"skipUpdateUnreachable"`
	UpsertExistingObjects  bool   `json:"upsertExistingObjects"`
	SuppressHelmHooks      bool   `json:"suppressHelmHookWarnings"`
	SuppressDeprecations   bool   `json:"suppressDeprecationWarnings"`
	KubeClientSettings     struct {
		Burst   int     `json:"burst"`
		QPS     float32 `json:"qps"`
		Timeout int     `json:"timeout"`
	} `json:"kubeClientSettings"`
	HelmReleaseSettings struct {
		Driver               string `json:"driver"`
		PluginsPath          string `json:"pluginsPath"`
		RegistryConfigPath   string `json:"registryConfigPath"`
		RepositoryCache      string `json:"repositoryCache"`
		RepositoryConfigPath string `json:"repositoryConfigPath"`
	} `json:"helmReleaseSettings"`
}

func (s settings) serverSideApply() bool {
	return s.EnableServerSideApply == nil || *s.EnableServerSideApply
}

// cluster is the Kubernetes cluster of one provider. It is reached at the first operation, not when it is configured: a
// preview must work before any cluster exists.
type cluster struct {
	settings settings
	// unknown is set while the kubeconfig is not known yet: in a preview, before the cluster exists.
	unknown bool

	mutex     sync.Mutex
	connected *clients
	probed    bool
	// away is why the cluster did not answer the probe.
	away error
	// announced are scopes of custom kinds whose definitions this program brings along.
	announced map[schema.GroupKind]bool
}

// clients talk to one cluster.
type clients struct {
	config  *rest.Config
	objects dynamic.Interface
	typed   clientset.Interface
	mapper  meta.ResettableRESTMapper
	version func() error
}

func (c *cluster) configure(config resource.PropertyMap) error {
	known := resource.PropertyMap{}
	for key, value := range config {
		if value.ContainsUnknowns() {
			c.unknown = true
			continue
		}
		known[key] = value
	}
	// The environment of this run counts too: a destroy has the configuration of the last update only.
	schema, err := standin.ParseSchema(schemaText)
	if err != nil {
		return err
	}
	for name, property := range schema.Provider.InputProperties {
		key := resource.PropertyKey(name)
		if _, given := known[key]; given || property.DefaultInfo == nil || property.Type != "boolean" {
			continue
		}
		for _, variable := range property.DefaultInfo.Environment {
			if set, err := strconv.ParseBool(os.Getenv(variable)); err == nil {
				known[key] = resource.NewProperty(set)
			}
		}
	}
	return standin.Decode(known, &c.settings)
}

// loader resolves the kubeconfig: its content, a path to it, or what kubectl would take. A namespace given here comes before
// the kubeconfig's own.
func (s settings) loader(namespace string) (clientcmd.ClientConfig, error) {
	overrides := &clientcmd.ConfigOverrides{CurrentContext: s.Context}
	overrides.Context.Cluster, overrides.Context.Namespace = s.Cluster, namespace
	if s.Kubeconfig == "" {
		rules := clientcmd.NewDefaultClientConfigLoadingRules()
		return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides), nil
	}
	parsed, err := s.parse()
	if err != nil {
		return nil, err
	}
	return clientcmd.NewDefaultClientConfig(*parsed, overrides), nil
}

func (s settings) parse() (*clientcmdapi.Config, error) {
	content := []byte(s.Kubeconfig)
	if isPath(s.Kubeconfig) {
		path := s.Kubeconfig
		if rest, ok := strings.CutPrefix(path, "~/"); ok {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil, fmt.Errorf("provider setting kubeconfig: %w", err)
			}
			path = filepath.Join(home, rest)
		}
		read, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("provider setting kubeconfig: expected the content of a kubeconfig or a path to one: %w", err)
		}
		content = read
	}
	parsed, err := clientcmd.Load(content)
	if err != nil {
		// The parser's message may quote the content, which has credentials.
		return nil, errors.New("provider setting kubeconfig: it does not parse as a kubeconfig (YAML with kind: Config)")
	}
	return parsed, nil
}

// isPath tells a path from content: content has lines, or is JSON.
func isPath(kubeconfig string) bool {
	text := strings.TrimSpace(kubeconfig)
	return text != "" && !strings.ContainsAny(text, "\n{")
}

// activeCluster is the cluster that a configuration points at, which tells whether another kubeconfig means another cluster.
func (s settings) activeCluster() (*clientcmdapi.Cluster, error) {
	loader, err := s.loader("")
	if err != nil {
		return nil, err
	}
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("provider setting kubeconfig: %w", err)
	}
	name, context := s.Cluster, raw.CurrentContext
	if s.Context != "" {
		context = s.Context
	}
	if name == "" {
		if found := raw.Contexts[context]; found != nil {
			name = found.Cluster
		}
	}
	found := raw.Clusters[name]
	if found == nil {
		return nil, fmt.Errorf("provider setting kubeconfig: context %q has no cluster; contexts: %s", context,
			strings.Join(keys(raw.Contexts), ", "))
	}
	active := found.DeepCopy()
	active.LocationOfOrigin = ""
	return active, nil
}

func sameCluster(one, other settings) bool {
	a, err := one.activeCluster()
	if err != nil {
		return false
	}
	b, err := other.activeCluster()
	return err == nil && reflect.DeepEqual(a, b)
}

// namespace that objects without one of their own go to.
func (c *cluster) namespace() string {
	if c.settings.Namespace != "" {
		return c.settings.Namespace
	}
	if c.unknown {
		return fallbackNS
	}
	if loader, err := c.settings.loader(""); err == nil {
		if namespace, _, err := loader.Namespace(); err == nil && namespace != "" {
			return namespace
		}
	}
	return fallbackNS
}

// clients makes the clients at their first use; they connect with their first request.
func (c *cluster) clients() (*clients, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.connected != nil {
		return c.connected, nil
	}
	if c.unknown {
		return nil, errors.New("the provider's kubeconfig is not known yet")
	}
	loader, err := c.settings.loader("")
	if err != nil {
		return nil, err
	}
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("provider setting kubeconfig: %w", err)
	}
	limits := c.settings.KubeClientSettings
	config.Timeout = time.Duration(orElse(limits.Timeout, defaultTimeout)) * time.Second
	config.QPS, config.Burst = orElse(limits.QPS, defaultQPS), orElse(limits.Burst, defaultBurst)
	config.UserAgent = userAgentPrefix
	config.Dial = (&net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}).DialContext
	config.WarningHandlerWithContext = warnings{deprecations: !c.settings.SuppressDeprecations}
	c.connected, err = newClients(config)
	return c.connected, err
}

func newClients(config *rest.Config) (*clients, error) {
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("provider setting kubeconfig: %w", err)
	}
	typed, err := clientset.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("provider setting kubeconfig: %w", err)
	}
	discoverer, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("provider setting kubeconfig: %w", err)
	}
	return &clients{
		config: config, objects: objects, typed: typed,
		mapper:  restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discoverer)),
		version: func() error { _, err := discoverer.ServerVersion(); return err },
	}, nil
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// reachable says whether the cluster answers, for what can do without it. It asks once: a preview of many resources must not
// wait for each of them.
func (c *cluster) reachable() bool {
	clients, err := c.clients()
	if err != nil {
		return false
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if !c.probed {
		c.away, c.probed = clients.version(), true
	}
	return c.away == nil
}

// announce notes the scope of a custom kind before its definition is in the cluster.
func (c *cluster) announce(kind schema.GroupKind, namespaced bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.announced == nil {
		c.announced = map[schema.GroupKind]bool{}
	}
	c.announced[kind] = namespaced
}

// scope says whether a kind is namespaced, and whether that is known at all.
func (c *cluster) scope(kind schema.GroupVersionKind) (namespaced, known bool) {
	if builtIn(kind.GroupVersion()) {
		return !clusterScoped[kind.GroupKind()], true
	}
	c.mutex.Lock()
	namespaced, known = c.announced[kind.GroupKind()]
	c.mutex.Unlock()
	if known || !c.reachable() {
		return namespaced, known
	}
	clients, err := c.clients()
	if err != nil {
		return false, false
	}
	mapping, err := clients.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return false, false
	}
	return mapping.Scope.Name() == meta.RESTScopeNameNamespace, true
}

// on returns the client for objects of a kind in a namespace. It looks a kind up afresh that the server did not know before:
// its definition may have come since.
func (c *clients) on(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return c.objects.Resource(mapping.Resource), nil
	}
	return c.objects.Resource(mapping.Resource).Namespace(orElse(namespace, fallbackNS)), nil
}

// unreachable says whether an error comes from the way to the cluster rather than from the cluster.
func unreachable(err error) bool {
	if err == nil || apierrors.ReasonForError(err) != "" || errors.Is(err, context.Canceled) {
		return false
	}
	var lost *url.Error
	var network *net.OpError
	return errors.As(err, &lost) || errors.As(err, &network)
}

// explain adds what to check to an error of the API server or of the way to it.
func (c *cluster) explain(err error) error {
	if err == nil {
		return nil
	}
	server := c.server()
	switch {
	case unreachable(err) && isCertificateError(err):
		return fmt.Errorf("cannot trust the Kubernetes API server at %s: %w. Check certificate-authority-data of the provider's "+
			"kubeconfig against the cluster's CA, and that the server's certificate names this address", server, err)
	case unreachable(err):
		return fmt.Errorf("cannot reach the Kubernetes API server at %s: %w. Check that the node is up and kube-apiserver runs on "+
			"it (crictl ps), and the server of the provider's kubeconfig", server, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the Kubernetes API server at %s refused the kubeconfig's credentials: %w", server, err)
	case apierrors.IsConflict(err) && strings.Contains(err.Error(), "Apply failed"):
		return fmt.Errorf("%w. Another manager owns these fields: leave them out, or take them over with the annotation %s: \"true\"",
			err, annotationPatchForce)
	}
	return err
}

// server is the API server's address, for messages.
func (c *cluster) server() string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.connected == nil {
		return "(no kubeconfig)"
	}
	return c.connected.config.Host
}

func isCertificateError(err error) bool {
	text := err.Error()
	return strings.Contains(text, "x509: ") || strings.Contains(text, "tls: ")
}
