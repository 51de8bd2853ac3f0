"""KubernetesRunner: CI jobs in pods, by GitLab's own chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.chart_release import ChartRelease, gitlab_charts
from components.checksum import checksum
from components.cluster_object import ClusterObject
from components.dns import NameService
from components.gitlab_runner.jobs import CLIENT, RunnerToken, environment
from components.k8s_node import ClusterAccess
from components.secrets import secret
from components.site import Site
from components.templates import render
from names import RUNNER_NAMESPACE, Names
from settings.ci import CiSettings

CHART = "gitlab-runner"
NAMESPACE = RUNNER_NAMESPACE
"""Of the runners and of their jobs' pods. No project's namespace may be called so."""
CERTIFICATES = "gitlab-ca"
CLIENT_SECRET = "docker-client"
CACHE_SIZE = "10Gi"
USER = 999
"""gitlab-runner, in the images that are based on Ubuntu; those on Alpine, the chart's default, have 100."""

RULES: Sequence[Mapping[str, Sequence[str]]] = (
    {"resources": ["pods"], "verbs": ["create", "delete", "get", "list", "watch"]},
    {"resources": ["pods/attach", "pods/exec"], "verbs": ["create", "delete", "get", "patch"]},
    {"resources": ["pods/log"], "verbs": ["get", "list"]},
    # What a job's image is pulled with.
    {"resources": ["secrets"], "verbs": ["create", "delete", "get", "update"]},
    # Why a pod does not start, for the job's log.
    {"resources": ["events"], "verbs": ["list"]},
)
"""What the runner may do in its namespace: what GitLab Runner asks for ("Configure runner API permissions") without any
of its optional features. Outside it may do nothing."""


@dataclass(frozen=True)
class KubernetesRunnerArgs:
    """There is one release for each token, and `ci.concurrent` applies to each.

    Images have upstream's names, as the nodes' containerd knows the mirrors. The nodes must resolve the platform's
    names through `dns` first.
    """

    site: Site
    cluster: ClusterAccess
    settings: CiSettings
    tokens: Sequence[RunnerToken]
    dns: NameService


def short(name: str) -> str:
    """`name` as part of a release's name, for which Helm has 53 characters."""
    return name if len(name) <= 39 else f"{name[:30]}-{checksum(name)[:8]}"


def config(names: Names, settings: CiSettings, cache: str) -> str:
    """The chart's `runners.config`; `cache` is the volume claim that keeps /cache."""
    return render(
        "gitlab_runner/templates/config.template.toml.j2",
        environment=environment(names),
        namespace=NAMESPACE,
        default_image=settings.images.runtime,
        helper_image=settings.images.helper,
        client_secret=CLIENT_SECRET,
        client=CLIENT,
        cache=cache,
    )


def image_value(image: str) -> dict[str, str]:
    """An image as the chart has it, which puts a slash and a colon between the three; in a digest too."""
    registry, _, rest = image.partition("/")
    path, _, tag = rest.partition(":")
    return {"registry": registry, "image": path, "tag": tag}


class KubernetesRunner(pulumi.ComponentResource):
    """A runner in the cluster for each token: jobs are pods, and may use the shared Docker engine.

    Owns: the namespace with all that is in it: the releases of GitLab's chart, the CA that they check GitLab against,
    their tokens, the Docker client's certificate, each project's cache, and what is left of jobs.
    Does not own: the runners in GitLab that the tokens belong to; those are each project's.
    """

    namespace: str
    """Where the runners and their jobs' pods are."""

    def __init__(self, name: str, args: KubernetesRunnerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:KubernetesRunner", name, None, opts)
        self._name, self._args = name, args
        self.namespace = NAMESPACE
        self._inside = [
            self._object(
                "Namespace",
                f"{name}-namespace",
                {
                    "metadata": {
                        "name": NAMESPACE,
                        # Neither a runner nor a job's pod has anything to do with the node itself.
                        "labels": {"pod-security.kubernetes.io/enforce": "baseline"},
                    }
                },
                [args.cluster.ready, *args.dns.resolvers],
            )
        ]
        names, ca = args.site.names, args.site.ca
        client = ca.issue_client(f"{name}-client", f"runner.{names.domain}", "shared", parent=self)
        certificates = self._secret(CERTIFICATES, {f"{names.gitlab}.crt": ca.certificate})
        engine = self._secret(
            CLIENT_SECRET,
            # As Docker's client calls them.
            {"ca.pem": ca.certificate, "cert.pem": client.certificate, "key.pem": client.key},
        )
        for token in args.tokens:
            self._release(token, [certificates, engine])
        self.register_outputs({"namespace": self.namespace})

    def _release(self, runner: RunnerToken, needs: Sequence[pulumi.Resource]) -> None:
        name, site, called = self._name, self._args.site, short(runner.name)
        release = f"{CHART}-{called}"
        cache = f"cache-{called}"
        token = secret(runner.token)
        # The chart mounts both entries; the second is that of a kind of token that GitLab no longer has.
        tokens = self._secret(f"token-{called}", {"runner-token": token, "runner-registration-token": ""})
        claim = self._object(
            "PersistentVolumeClaim",
            f"{name}-{cache}",
            {
                "metadata": {
                    "name": cache,
                    "namespace": NAMESPACE,
                    # It is bound by the first job, and stays as long as one uses it: neither is waited for.
                    "annotations": {"pulumi.com/skipAwait": "true"},
                },
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": CACHE_SIZE}},
                },
            },
            self._inside,
        )
        # A runner reads both at its start only.
        digest = pulumi.Output.all(token, site.ca.certificate).apply(lambda texts: checksum("".join(texts)))
        ChartRelease(
            f"{name}-{runner.name}",
            release=release,
            namespace=NAMESPACE,
            chart=CHART,
            version=self._args.settings.runner_chart,
            repository=gitlab_charts(site.downloads.mirrors),
            values=self._values(runner.name, cache, f"token-{called}", digest),
            parent=self,
            provider=self._args.cluster.provider,
            after=[*self._inside, *needs, tokens, claim],
        )

    def _values(self, name: str, cache: str, token: str, digest: pulumi.Output[str]) -> dict[str, Any]:
        names, settings = self._args.site.names, self._args.settings
        return {
            "image": image_value(settings.images.runner),
            "gitlabUrl": names.gitlab_url,
            "certsSecretName": CERTIFICATES,
            "concurrent": settings.concurrent,
            "checkInterval": 3,
            "runners": {
                "name": name,
                "secret": token,
                "config": config(names, settings, cache),
            },
            "rbac": {"create": True, "rules": [{"apiGroups": [""], **rule} for rule in RULES]},
            "serviceAccount": {"create": True},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": False,
                "runAsNonRoot": True,
                "privileged": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "podSecurityContext": {"runAsUser": USER, "fsGroup": USER},
            "podAnnotations": {"auto-devops/checksum": digest},
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
            # An hour in the chart: how long a runner that has to go waits for its jobs, and a removal for the runner.
            "terminationGracePeriodSeconds": 300,
        }

    def _secret(self, called: str, content: Mapping[str, pulumi.Input[str]]) -> pulumi.Resource:
        return self._object(
            "Secret",
            f"{self._name}-{called}",
            {"metadata": {"name": called, "namespace": NAMESPACE}, "type": "Opaque", "stringData": dict(content)},
            self._inside,
        )

    def _object(
        self, kind: str, name: str, content: Mapping[str, Any], after: Sequence[pulumi.Resource]
    ) -> pulumi.Resource:
        return ClusterObject(
            name, kind=kind, content=content, parent=self, provider=self._args.cluster.provider, after=after
        )
