"""KubernetesRunner: CI jobs in pods, by GitLab's own chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.ca import CA
from components.chart_repository import ChartRepository
from components.checksum import checksum
from components.cluster_object import ClusterObject
from components.gitlab_runner.registration import CLIENT, Registration, environment
from components.templates import render

CHART = "gitlab-runner"
NAMESPACE = "gitlab-runner"
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
    """`image`, `default_image` (for jobs that name none) and `helper_image` have upstream's names: nodes know mirrors.

    `concurrent` is of each registration. `ready` is what runners and jobs need: the cluster with its storage, and nodes
    that know the platform's names.
    """

    provider: pulumi.ProviderResource
    ca: CA
    domain: str
    charts: ChartRepository
    chart_version: str
    image: str
    default_image: str
    registrations: Sequence[Registration]
    helper_image: str | None = None
    concurrent: int = 4
    ready: Sequence[pulumi.Resource] = ()


def short(name: str) -> str:
    """`name` as part of a release's name, for which Helm has 53 characters."""
    return name if len(name) <= 39 else f"{name[:30]}-{checksum(name)[:8]}"


def config(*, domain: str, default_image: str, helper_image: str | None, cache: str) -> str:
    """The chart's `runners.config`; `cache` is the volume claim that keeps /cache."""
    return render(
        "gitlab_runner/templates/config.template.toml.j2",
        environment=environment(domain),
        namespace=NAMESPACE,
        default_image=default_image,
        helper_image=helper_image,
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
    """A runner in the cluster for each registration: jobs are pods, and may use the shared Docker engine.

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
                args.ready,
            )
        ]
        client = args.ca.issue_client(f"{name}-client", f"runner.{args.domain}", "shared", parent=self)
        certificates = self._secret(CERTIFICATES, {f"gitlab.{args.domain}.crt": args.ca.certificate})
        engine = self._secret(
            CLIENT_SECRET,
            # As Docker's client calls them.
            {"ca.pem": args.ca.certificate, "cert.pem": client.certificate, "key.pem": client.key},
        )
        for registration in args.registrations:
            self._release(registration, [certificates, engine])
        self.register_outputs({"namespace": self.namespace})

    def _release(self, registration: Registration, needs: Sequence[pulumi.Resource]) -> None:
        name, args, called = self._name, self._args, short(registration.name)
        release = f"{CHART}-{called}"
        cache = f"cache-{called}"
        token: pulumi.Output[str] = pulumi.Output.secret(registration.token)
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
        digest = pulumi.Output.all(token, args.ca.certificate).apply(lambda texts: checksum("".join(texts)))
        kubernetes.helm.v3.Release(
            f"{name}-{registration.name}",
            name=release,
            chart=CHART,
            version=args.chart_version,
            repository_opts=args.charts.options(),
            namespace=NAMESPACE,
            values=self._values(registration.name, cache, f"token-{called}", digest),
            timeout=600,
            opts=pulumi.ResourceOptions(
                parent=self, provider=args.provider, depends_on=[*self._inside, *needs, tokens, claim]
            ),
        )

    def _values(self, name: str, cache: str, token: str, digest: pulumi.Output[str]) -> dict[str, Any]:
        args = self._args
        return {
            "image": image_value(args.image),
            "gitlabUrl": f"https://gitlab.{args.domain}",
            "certsSecretName": CERTIFICATES,
            "concurrent": args.concurrent,
            "checkInterval": 3,
            "runners": {
                "name": name,
                "secret": token,
                "config": config(
                    domain=args.domain,
                    default_image=args.default_image,
                    helper_image=args.helper_image,
                    cache=cache,
                ),
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
        return ClusterObject("core/v1", kind, name, content, self, self._args.provider, after)
