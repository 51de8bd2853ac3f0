package kubernetes

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

type releases struct{ cluster *cluster }

// Releases are refused until they are performed.
var errNot = refuse(releaseToken)

func (p *Provider) checkRelease(ctx context.Context, op *operation, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	return plugin.CheckResponse{}, errNot
}
func (p *Provider) diffRelease(req plugin.DiffRequest) (plugin.DiffResult, error) {
	return plugin.DiffResult{}, errNot
}
func (p *Provider) createRelease(ctx context.Context, op *operation, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	return plugin.CreateResponse{}, errNot
}
func (p *Provider) readRelease(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	return plugin.ReadResponse{}, errNot
}
func (p *Provider) updateRelease(ctx context.Context, op *operation, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	return plugin.UpdateResponse{}, errNot
}
func (p *Provider) deleteRelease(ctx context.Context, op *operation, req plugin.DeleteRequest) error {
	return errNot
}
