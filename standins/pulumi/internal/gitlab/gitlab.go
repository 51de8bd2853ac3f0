// Package gitlab performs `gitlab:index` for the lab: groups, projects and what belongs to them, by GitLab's own client
// library, by the rules of terraform-provider-gitlab on which the official provider is built.
//
// It owns the connection to GitLab and the spelling of its attributes. It does not own repositories' contents.
package gitlab

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"auto-devops/standins/pulumi/internal/standin"
)

//go:embed schema.json
var schema []byte

// Package is the provider.
func Package() *standin.Package {
	parsed, err := standin.ParseSchema(schema)
	if err != nil {
		panic(fmt.Sprintf("the schema in this executable: %v", err))
	}
	s := &server{}
	of := func(token string) *standin.ResourceSchema { return parsed.Resources[token] }
	return &standin.Package{
		Version:         "10.4.0",
		Schema:          schema,
		ConfigPerformed: strings.Fields("baseUrl cacertFile earlyAuthCheck token"),
		CheckConfig:     checkConfig,
		Configure:       s.configure,
		Resources: map[string]*standin.Resource{
			groupToken:              newGroups(s, of(groupToken)).performed(),
			projectToken:            newProjects(s, of(projectToken)).performed(),
			branchProtectionToken:   branches{s, branchMapping(of(branchProtectionToken))}.performed(),
			projectVariableToken:    newVariables(s, of(projectVariableToken)).performed(),
			userRunnerToken:         runners(s, of(userRunnerToken)),
			projectDeployTokenToken: deployTokens(s, of(projectDeployTokenToken)),
			clusterAgentToken:       clusterAgents(s, of(clusterAgentToken)),
			clusterAgentTokenToken:  clusterAgentTokens(s, of(clusterAgentTokenToken)),
		},
	}
}

// The resources' type tokens.
const (
	groupToken              = "gitlab:index/group:Group"
	projectToken            = "gitlab:index/project:Project"
	branchProtectionToken   = "gitlab:index/branchProtection:BranchProtection"
	projectVariableToken    = "gitlab:index/projectVariable:ProjectVariable"
	userRunnerToken         = "gitlab:index/userRunner:UserRunner"
	projectDeployTokenToken = "gitlab:index/projectDeployToken:ProjectDeployToken"
	clusterAgentToken       = "gitlab:index/clusterAgent:ClusterAgent"
	clusterAgentTokenToken  = "gitlab:index/clusterAgentToken:ClusterAgentToken"
)

func newVariables(s *server, schema *standin.ResourceSchema) variables {
	return variables{server: s, mapping: mapping{schema: schema, silent: []string{"project"}, readOnly: []string{"hidden"}}}
}

// runners are made for a user, and read as any runner; the token is told once.
func runners(s *server, schema *standin.ResourceSchema) *standin.Resource {
	runners := collection{
		server: s,
		mapping: mapping{
			schema:  schema,
			renamed: map[string]string{"tagLists": "tag_list", "untagged": "run_untagged"},
			refine: func(found answer) {
				if list, ok := found["projects"].([]any); ok && len(list) > 0 {
					if owner, ok := list[0].(map[string]any); ok {
						found["project_id"] = owner["id"]
					}
				}
			},
		},
		noun: "runner", named: "description",
		list:  func([]string) []string { return []string{"user", "runners"} },
		item:  func(_ []string, number string) []string { return []string{"runners", number} },
		terse: true,
	}
	performed := runners.performed()
	performed.Performed = strings.Fields("description locked projectId runnerType tagLists untagged")
	performed.Unordered = []string{"tagLists"}
	performed.Replaces = []string{"runnerType", "projectId"}
	performed.Check = checkRunner
	performed.Update = runners.update
	return performed
}

// checkRunner: the program has runners of single projects only.
func checkRunner(inputs resource.PropertyMap) []plugin.CheckFailure {
	return oneOf(inputs, "runnerType", "project_type")
}

func deployTokens(s *server, schema *standin.ResourceSchema) *standin.Resource {
	performed := collection{
		server: s, mapping: mapping{schema: schema, silent: []string{"project"}},
		noun: "deploy token", named: "name", within: []string{"project"},
		list: func(within []string) []string { return []string{"projects", within[0], "deploy_tokens"} },
	}.performed()
	performed.Autonamed = true
	performed.Performed = strings.Fields("name project scopes")
	return performed
}

func clusterAgents(s *server, schema *standin.ResourceSchema) *standin.Resource {
	performed := collection{
		server:  s,
		mapping: mapping{schema: schema, silent: []string{"project"}, renamed: map[string]string{"agentId": "id"}},
		noun:    "cluster agent", named: "name", within: []string{"project"},
		list: func(within []string) []string { return []string{"projects", within[0], "cluster_agents"} },
	}.performed()
	performed.Autonamed = true
	performed.Performed = strings.Fields("name project")
	return performed
}

func clusterAgentTokens(s *server, schema *standin.ResourceSchema) *standin.Resource {
	performed := collection{
		server: s,
		mapping: mapping{
			schema: schema, silent: []string{"project", "agentId"}, renamed: map[string]string{"tokenId": "id"},
		},
		noun: "cluster agent token", named: "name", within: []string{"project", "agentId"},
		list: func(within []string) []string {
			return []string{"projects", within[0], "cluster_agents", within[1], "tokens"}
		},
		gone: func(found answer) bool { return found["status"] == "revoked" },
	}.performed()
	performed.Autonamed = true
	performed.Performed = strings.Fields("agentId description name project")
	return performed
}
