// Command gitlab-runner is GitLab Runner, put together from its own packages as its own main does, but for what the lab
// cannot have or does not need: see README.md.
package main

import (
	"os"
	"path/filepath"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/sirupsen/logrus"
	"github.com/urfave/cli"

	"gitlab.com/gitlab-org/gitlab-runner/commands"
	"gitlab.com/gitlab-org/gitlab-runner/commands/helpers"
	"gitlab.com/gitlab-org/gitlab-runner/commands/steps"
	"gitlab.com/gitlab-org/gitlab-runner/common"
	"gitlab.com/gitlab-org/gitlab-runner/executors"
	"gitlab.com/gitlab-org/gitlab-runner/executors/custom"
	"gitlab.com/gitlab-org/gitlab-runner/executors/docker"
	"gitlab.com/gitlab-org/gitlab-runner/executors/kubernetes"
	clihelpers "gitlab.com/gitlab-org/gitlab-runner/helpers/cli"
	"gitlab.com/gitlab-org/gitlab-runner/log"
	"gitlab.com/gitlab-org/gitlab-runner/network"
	"gitlab.com/gitlab-org/gitlab-runner/router"

	_ "gitlab.com/gitlab-org/gitlab-runner/shells"
)

func init() {
	memlimit.SetGoMemLimitWithEnv()
}

func main() {
	defer func() {
		if reason := recover(); reason != nil {
			// logrus has written what it panics with.
			if _, logged := reason.(*logrus.Entry); logged {
				os.Exit(1)
			}
			panic(reason)
		}
	}()

	providers := executors.NewProviderRegistry(map[string]common.ExecutorProvider{
		"custom":                  custom.NewProvider("gitlab-runner"),
		"docker":                  docker.NewProvider(),
		common.ExecutorKubernetes: kubernetes.NewProvider(),
	})
	for name, provider := range providers.All() {
		if err := common.ValidateExecutorProvider(provider); err != nil {
			logrus.Fatalf("executor %s: %v", name, err)
		}
	}

	requests := network.NewAPIRequestsCollector()
	certificates := commands.GetDefaultCertificateDirectory()
	client := router.NewClient(
		network.NewGitLabClient(
			network.WithAPIRequestsCollector(requests),
			network.WithCertificateDirectory(certificates),
			network.WithExecutorProviderFunc(providers.GetByName),
		),
		certificates,
		common.AppVersion.UserAgent(),
	)
	defer client.Shutdown()

	app := cli.NewApp()
	app.Name = filepath.Base(os.Args[0])
	app.Usage = "a GitLab Runner"
	app.Version = common.AppVersion.ShortLine()
	cli.VersionPrinter = common.AppVersion.Printer
	app.Commands = append([]cli.Command{
		commands.NewListCommand(),
		commands.NewLintCommand(),
		commands.NewRegisterCommand(client, providers),
		commands.NewResetTokenCommand(client),
		commands.NewRunCommand(client, requests, providers),
		commands.NewRunSingleCommand(client, providers),
		commands.NewUnregisterCommand(client),
		commands.NewVerifyCommand(client),
		helpers.NewArtifactsDownloaderCommand(),
		helpers.NewArtifactsUploaderCommand(),
		helpers.NewCacheArchiverCommand(),
		helpers.NewCacheExtractorCommand(),
		helpers.NewCacheInitCommand(),
		helpers.NewHealthCheckCommand(),
		helpers.NewProbeURLCommand(),
		helpers.NewVerifyVersionCommand(),
		helpers.NewReadLogsCommand(),
		steps.NewCommand(),
	}, commands.NewServiceCommands()...)
	app.CommandNotFound = func(_ *cli.Context, command string) {
		logrus.Fatalln("Command", command, "not found.")
	}

	clihelpers.InitCli()
	clihelpers.LogRuntimePlatform(app)
	clihelpers.SetupCPUProfile(app)
	clihelpers.FixHOME(app)
	clihelpers.WarnOnBool(os.Args)
	log.ConfigureLogging(app)

	if err := app.Run(os.Args); err != nil {
		logrus.Fatal(err)
	}
}
