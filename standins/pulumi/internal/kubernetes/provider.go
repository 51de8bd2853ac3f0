// Package kubernetes performs Pulumi's Kubernetes provider for the lab: objects through the API server, by server-side apply,
// with the official provider's waiting, and Helm releases through Helm's own library.
//
// It owns the connection to the cluster and the rules of what replaces what. It does not own the checking of the provider's
// configuration and of a Release's inputs against their schema (standin), and it renders no charts into Pulumi resources.
package kubernetes

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"

	"auto-devops/standins/pulumi/internal/standin"
)

const (
	officialVersion = "4.34.2"
	releaseToken    = "kubernetes:helm.sh/v3:Release"
)

//go:embed schema.json
var schemaText []byte

// Provider answers the engine. What is not about an object or a release is answered by the harness.
type Provider struct {
	*standin.Provider

	cluster  *cluster
	host     *provider.HostClient
	log      logger
	releases *releases

	stopped context.Context //nolint:containedctx // ends when the engine cancels, across calls
	stop    context.CancelFunc
}

// logger shows a message on a resource; a status is for the progress display only.
type logger func(severity diag.Severity, urn resource.URN, message string, status bool)

// New makes a provider; host may be nil when the engine attaches later.
func New(host *provider.HostClient) (*Provider, error) {
	// What client-go tells its log comes back as an error as well, and on standard error it would be shown twice.
	klog.SetLogger(logr.Discard())
	p := &Provider{cluster: &cluster{}, host: host}
	p.stopped, p.stop = context.WithCancel(context.Background())
	p.log = p.logToHost
	p.releases = &releases{cluster: p.cluster}
	harness, err := standin.New(&standin.Package{
		Version:         officialVersion,
		Schema:          schemaText,
		ConfigPerformed: strings.Fields("clusterIdentifier enablePatchForce kubeconfig"),
		CheckConfig:     checkConfig,
		Configure:       p.cluster.configure,
		Resources: map[string]*standin.Resource{
			releaseToken: {Performed: strings.Fields(
				"chart compat name namespace repositoryOpts.caFile repositoryOpts.repo timeout values version")},
		},
	}, host)
	p.Provider = harness
	return p, err
}

// Main serves the provider as an engine's plugin until the engine is done.
func Main() {
	err := provider.Main("pulumi-resource-kubernetes",
		func(host *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
			served, err := New(host)
			if err != nil {
				return nil, err
			}
			return server{plugin.NewProviderServer(served)}, nil
		})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// server sends differences as the official provider does.
type server struct {
	pulumirpc.ResourceProviderServer
}

// Diff leaves out the list of changed properties, which Pulumi's server derives from the paths of the differences: the display
// takes it for names of top-level properties, and would show nothing of what it does not find there.
func (s server) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	response, err := s.ResourceProviderServer.Diff(ctx, req)
	if err == nil && len(response.GetDetailedDiff()) > 0 {
		response.Diffs = nil
	}
	return response, err
}

func checkConfig(config resource.PropertyMap) []plugin.CheckFailure {
	var s settings
	if err := standin.Decode(config, &s); err != nil {
		return []plugin.CheckFailure{{Reason: err.Error()}}
	}
	if _, err := s.activeCluster(); err != nil {
		return []plugin.CheckFailure{{Reason: err.Error()}}
	}
	return nil
}

// CheckConfig also marks the content of a kubeconfig as secret: it has credentials.
func (p *Provider) CheckConfig(
	ctx context.Context, req plugin.CheckConfigRequest,
) (plugin.CheckConfigResponse, error) {
	checked, err := p.Provider.CheckConfig(ctx, req)
	if value := checked.Properties["kubeconfig"]; value.IsString() {
		checked.Properties["kubeconfig"] = resource.MakeSecret(value)
	}
	return checked, err
}

// DiffConfig asks for a new provider, and with it for new objects, when the configuration points at another cluster; all
// else about the way to the cluster may change in place.
func (p *Provider) DiffConfig(
	ctx context.Context, req plugin.DiffConfigRequest,
) (plugin.DiffConfigResponse, error) {
	diff, err := p.Provider.DiffConfig(ctx, req)
	if err != nil || diff.Changes != plugin.DiffSome {
		return diff, err
	}
	replace := func(key resource.PropertyKey) {
		diff.ReplaceKeys = append(diff.ReplaceKeys, key)
		diff.DetailedDiff[string(key)] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace, InputDiff: true}
	}
	_, renamed := diff.DetailedDiff["clusterIdentifier"]
	switch {
	case renamed:
		replace("clusterIdentifier")
	case req.NewInputs["clusterIdentifier"].HasValue():
	case req.NewInputs["kubeconfig"].ContainsUnknowns():
		replace("kubeconfig")
	default:
		var old, new settings
		if standin.Decode(req.OldInputs, &old) != nil || standin.Decode(req.NewInputs, &new) != nil || sameCluster(old, new) {
			break
		}
		replace("kubeconfig")
	}
	return diff, nil
}

func (p *Provider) Attach(address string) error {
	host, err := provider.NewHostClient(address)
	if err != nil {
		return fmt.Errorf("cannot reach the engine at %s: %w", address, err)
	}
	p.host = host
	return p.Provider.Attach(address)
}

func (p *Provider) SignalCancellation(ctx context.Context) error {
	p.stop()
	return p.Provider.SignalCancellation(ctx)
}

func (p *Provider) logToHost(severity diag.Severity, urn resource.URN, message string, status bool) {
	if p.host == nil {
		return
	}
	// A lost log line must not fail the operation it tells about.
	if status {
		_ = p.host.LogStatus(context.Background(), severity, urn, message)
	} else {
		_ = p.host.Log(context.Background(), severity, urn, message)
	}
}

// refuse is the error for what only the official plugin has.
func refuse(asked string) error {
	return status.Error(codes.Unimplemented, asked+" is not performed by the lab's stand-in for pulumi-resource-kubernetes, which "+
		"has "+strings.Join(told(), ", ")+". The official plugin has it: put it in ~/.pulumi/plugins or on PATH, and the lab uses it")
}

// told are the performed types by Pulumi's names.
func told() []string {
	types := []string{releaseToken}
	for _, kind := range performed {
		types = append(types, fmt.Sprintf("kubernetes:%s/%s:%s", orElse(kind.Group, "core"), kind.Version, kind.Kind))
	}
	return types
}

func (p *Provider) Invoke(_ context.Context, req plugin.InvokeRequest) (plugin.InvokeResponse, error) {
	return plugin.InvokeResponse{}, refuse(fmt.Sprintf("function %s", req.Tok))
}

func (p *Provider) Call(_ context.Context, req plugin.CallRequest) (plugin.CallResponse, error) {
	return plugin.CallResponse{}, refuse(fmt.Sprintf("method %s", req.Tok))
}

func (p *Provider) Construct(_ context.Context, req plugin.ConstructRequest) (plugin.ConstructResponse, error) {
	return plugin.ConstructResponse{}, refuse(fmt.Sprintf("component %s", req.Type))
}

// operation is one call about one resource.
type operation struct {
	urn resource.URN
	log logger
	// limit of the waiting, from the resource's customTimeouts; zero when there is none.
	limit time.Duration

	shown string
}

// call prepares an operation: its context ends with the request or the engine's cancellation.
func (p *Provider) call(ctx context.Context, urn resource.URN, seconds float64) (context.Context, context.CancelFunc, *operation) {
	op := &operation{urn: urn, log: p.log, limit: time.Duration(seconds * float64(time.Second))}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, operationKey{}, op))
	unhook := context.AfterFunc(p.stopped, cancel)
	return ctx, func() { unhook(); cancel() }, op
}

func (o *operation) warn(message string) { o.log(diag.Warning, o.urn, message, false) }

// progress shows what is being waited for, once for as long as it stays the same.
func (o *operation) progress(message string) {
	if message != o.shown {
		o.shown = message
		o.log(diag.Info, o.urn, message, true)
	}
}

type operationKey struct{}

// warnings brings what the API server warns about to the resource whose request it was.
type warnings struct{}

func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	op, ok := ctx.Value(operationKey{}).(*operation)
	if ok && code == 299 && text != "" {
		op.warn(text)
	}
}

// incomplete is the error for an object that is there, but did not become what it should: the engine keeps its state and
// looks at it again next time.
func incomplete(id string, cause error, reasons []string, state, inputs resource.PropertyMap) error {
	options := plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true, KeepResources: true}
	stateText, err := plugin.MarshalProperties(state, options)
	if err != nil {
		return errors.Join(cause, err)
	}
	inputsText, err := plugin.MarshalProperties(inputs, options)
	if err != nil {
		return errors.Join(cause, err)
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, cause.Error()), &pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: stateText, Inputs: inputsText, Reasons: append([]string{cause.Error()}, reasons...),
	})
}

// shortestHidden keeps ordinary words in messages, which a very short secret would blot out.
const shortestHidden = 4

// hide is an error without the secret texts in inputs.
func hide(err error, inputs ...resource.PropertyMap) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	for _, properties := range inputs {
		for _, text := range secretTexts(resource.NewProperty(properties), false) {
			if len(text) >= shortestHidden {
				message = strings.ReplaceAll(message, text, "[secret]")
				message = strings.ReplaceAll(message, strings.Trim(strconv.Quote(text), `"`), "[secret]")
			}
		}
	}
	if message == err.Error() {
		return err
	}
	return errors.New(message)
}

func secretTexts(value resource.PropertyValue, inSecret bool) []string {
	var texts []string
	switch {
	case value.IsSecret():
		return secretTexts(value.SecretValue().Element, true)
	case value.IsString() && inSecret:
		return []string{value.StringValue()}
	case value.IsArray():
		for _, item := range value.ArrayValue() {
			texts = append(texts, secretTexts(item, inSecret)...)
		}
	case value.IsObject():
		for _, entry := range value.ObjectValue() {
			texts = append(texts, secretTexts(entry, inSecret)...)
		}
	}
	return texts
}
