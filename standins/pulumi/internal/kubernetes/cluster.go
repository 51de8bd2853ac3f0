package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
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
	requestLimit    = 32 * time.Second // as the official provider, and so are these
	defaultQPS      = 50
	defaultBurst    = 120
	userAgentPrefix = "pulumi-kubernetes/" + officialVersion
)

// settings are the provider's configuration.
type settings struct {
	Kubeconfig       string `json:"kubeconfig"`
	EnablePatchForce bool   `json:"enablePatchForce"`
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
}

// clients talk to one cluster.
type clients struct {
	config  *rest.Config
	objects dynamic.Interface
	typed   clientset.Interface
	mapper  meta.RESTMapper
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
	return standin.Decode(known, &c.settings)
}

// loader resolves the kubeconfig. A namespace given here comes before the kubeconfig's own.
func (s settings) loader(namespace string) (clientcmd.ClientConfig, error) {
	parsed, err := clientcmd.Load([]byte(s.Kubeconfig))
	if err != nil || len(parsed.Clusters) == 0 && parsed.CurrentContext == "" {
		// The parser's message may quote the content, which has credentials.
		return nil, errors.New("provider setting kubeconfig: it is not the content of a kubeconfig (YAML with kind: Config)")
	}
	overrides := &clientcmd.ConfigOverrides{}
	overrides.Context.Namespace = namespace
	return clientcmd.NewDefaultClientConfig(*parsed, overrides), nil
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
	if context := raw.Contexts[raw.CurrentContext]; context != nil && raw.Clusters[context.Cluster] != nil {
		return raw.Clusters[context.Cluster], nil
	}
	return nil, fmt.Errorf("provider setting kubeconfig: context %q has no cluster; contexts: %s", raw.CurrentContext,
		strings.Join(keys(raw.Contexts), ", "))
}

func sameCluster(one, other settings) bool {
	a, err := one.activeCluster()
	if err != nil {
		return false
	}
	b, err := other.activeCluster()
	return err == nil && reflect.DeepEqual(a, b)
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
	config.Timeout, config.QPS, config.Burst = requestLimit, defaultQPS, defaultBurst
	config.UserAgent = userAgentPrefix
	config.Dial = (&net.Dialer{Timeout: dialLimit, KeepAlive: 30 * time.Second}).DialContext
	config.WarningHandlerWithContext = warnings{}
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

// on returns the client for objects of a kind in a namespace.
func (c *clients) on(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		return c.objects.Resource(mapping.Resource), nil
	}
	return c.objects.Resource(mapping.Resource).Namespace(namespace), nil
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
		return fmt.Errorf("%w. Another manager owns these fields: leave them out, or take them over (the provider's "+
			"enablePatchForce)", err)
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
