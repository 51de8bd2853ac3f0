package kubernetes

import (
	"context"
	"fmt"
	"strings"

	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// awaitService waits until no endpoint of a Service is unready, and a load balancer has its address. A Service that selects no
// Pods of its own has no endpoints to wait for.
func awaitService(ctx context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	service, err := typedAs[core.Service](live)
	if err != nil {
		return finding{}, err
	}
	found := finding{}
	waits := service.Spec.Type != core.ServiceTypeExternalName && service.Spec.ClusterIP != core.ClusterIPNone &&
		len(service.Spec.Selector) > 0
	if waits {
		ready, unready, slices, err := clients.endpoints(ctx, service.Namespace, service.Name)
		if err != nil {
			return finding{}, err
		}
		found.settles = fmt.Sprint(ready, unready, slices)
		if slices == 0 || unready > 0 {
			found.status = fmt.Sprintf("[1/3] Finding Pods to direct traffic to (%d ready, %d not ready)", ready, unready)
			found.reasons = []string{"Service does not target any ready Pods. Selected Pods may not be ready, or field '.spec.selector' " +
				"may not match labels on any Pods"}
			return found, nil
		}
		found.status = "[1/3] Finding Pods to direct traffic to (waiting for stragglers)"
	}
	if service.Spec.Type == core.ServiceTypeLoadBalancer && len(service.Status.LoadBalancer.Ingress) == 0 {
		found.status = "[2/3] Attempting to allocate IP address to Service"
		found.reasons = []string{"Service was not allocated an IP address; does the cluster have a load balancer controller?"}
		return found, nil
	}
	found.ready = true
	return found, nil
}

// endpoints of a Service: how many are ready and not, in how many slices.
func (c *clients) endpoints(ctx context.Context, namespace, service string) (ready, unready, slices int, err error) {
	list, err := c.typed.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discovery.LabelServiceName + "=" + service,
	})
	if err != nil {
		return 0, 0, 0, err
	}
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			switch {
			case endpoint.Conditions.Terminating != nil && *endpoint.Conditions.Terminating:
			case endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready:
				unready++
			default:
				ready++
			}
		}
	}
	return ready, unready, len(list.Items), nil
}

// awaitIngress waits until the Services of all paths are there and the controller has published an address.
func awaitIngress(ctx context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	ingress, err := typedAs[networking.Ingress](live)
	if err != nil {
		return finding{}, err
	}
	missing, err := clients.missingBackends(ctx, ingress)
	if err != nil {
		return finding{}, err
	}
	found := finding{}
	for _, backend := range missing {
		found.reasons = append(found.reasons, "No matching service found for ingress rule: "+backend)
	}
	published := len(ingress.Status.LoadBalancer.Ingress) > 0
	switch {
	case !published && len(missing) > 0:
		found.status = "[1/3] Finding a matching service for each Ingress path"
	case !published:
		found.status = "[2/3] Waiting for update of .status.loadBalancer with hostname/IP"
	}
	if !published {
		found.reasons = append(found.reasons, "Ingress .status.loadBalancer field was not updated with a hostname/IP address: no ingress "+
			"controller has taken the Ingress (check ingressClassName and the controller's log)")
	}
	// The official provider gives missing Services some time, and then only warns.
	found.ready = published
	found.settles = strings.Join(missing, ",")
	return found, nil
}

func (c *clients) missingBackends(ctx context.Context, ingress *networking.Ingress) ([]string, error) {
	var missing []string
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, path := range rule.HTTP.Paths {
			if path.Backend.Service == nil {
				continue
			}
			name := path.Backend.Service.Name
			service, err := c.typed.CoreV1().Services(ingress.Namespace).Get(ctx, name, metav1.GetOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return nil, err
			}
			if err == nil && service.Spec.Type == core.ServiceTypeExternalName {
				continue
			}
			_, _, slices, listErr := c.endpoints(ctx, ingress.Namespace, name)
			if listErr != nil {
				return nil, listErr
			}
			if err != nil || slices == 0 {
				missing = append(missing, fmt.Sprintf("%q -> %q", rule.Host+path.Path, name))
			}
		}
	}
	return missing, nil
}
