// Package client takes the place of a module that the Go proxy does not serve; the provider asks it for object storage
// only, which is not here.
package client

import (
	"errors"

	spi "github.com/alibabacloud-go/alibabacloud-gateway-spi/client"
)

// NewClient is what the provider's package connectivity calls.
func NewClient() (spi.ClientInterface, error) {
	return nil, errors.New("object storage is not in this build of the provider: DNS only")
}
