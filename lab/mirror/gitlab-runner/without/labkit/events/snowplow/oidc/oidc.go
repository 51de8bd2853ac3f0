// Package oidc has the type of an option.
package oidc

// Option of signing in to GitLab's servers.
type Option struct{}

// WithSkipIfUnsupportedCloud is one.
func WithSkipIfUnsupportedCloud(bool) Option { return Option{} }
