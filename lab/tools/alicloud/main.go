// Upstream's provider for Alibaba Cloud, as far as DNS goes, as a plugin of Pulumi's: the code that talks to Alibaba is the
// Terraform provider's own, and Pulumi's bridge turns it into a plugin with the names of PyPI's pulumi-alicloud.
package main

import (
	_ "embed"
	"os"

	"github.com/aliyun/terraform-provider-alicloud/alicloud"
	"github.com/hashicorp/terraform-plugin-sdk/helper/schema"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v1"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

const (
	name = "alicloud"
	// PyPI's pulumi-alicloud with the same inputs; its Terraform provider is of another version.
	version = "4.0.0"
)

// Made by build.sh with `PROGRAM schema`.
//
//go:embed schema.json
var made []byte

func main() {
	if len(os.Args) > 1 && os.Args[1] == "schema" {
		tfgen.Main(name, version, provider())
		return
	}
	tfbridge.Main(name, version, provider(), made)
}

func provider() tfbridge.ProviderInfo {
	upstream, ok := alicloud.Provider().(*schema.Provider)
	if !ok {
		panic("upstream's provider is no plugin-sdk v1 provider any more")
	}
	return tfbridge.ProviderInfo{
		P:       shim.NewProvider(upstream),
		Name:    name,
		Version: version,
		Resources: map[string]*tfbridge.ResourceInfo{
			"alicloud_alidns_domain": {Tok: resource("AlidnsDomain", "alidnsDomain")},
			"alicloud_alidns_record": {Tok: resource("AlidnsRecord", "alidnsRecord")},
		},
		DataSources: map[string]*tfbridge.DataSourceInfo{
			"alicloud_alidns_domains": {Tok: function("getAlidnsDomains")},
			"alicloud_alidns_records": {Tok: function("getAlidnsRecords")},
		},
	}
}

func resource(kind, file string) tokens.Type {
	return tokens.Type("alicloud:dns/" + file + ":" + kind)
}

func function(name string) tokens.ModuleMember {
	return tokens.ModuleMember("alicloud:dns/" + name + ":" + name)
}
