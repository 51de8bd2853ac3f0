"""A stack that an older version has made: today's program finds it as it wants it, and never takes its data away.

`older/` has what version 7b9176a left of stack `dev` in the lab: the exported state, whose secrets are encrypted with
PASSPHRASE (they were a lab's, which is long gone), and the settings that it was made with. Neither is ever made anew:
they stand for the stacks that people have. No machine is asked: a preview compares what the program wants with it.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.host.bundle import unpack
from lab import paths, stack, tools
from lab.steps import StepLog
from tests.lab.driver import Result, run

pytestmark = pytest.mark.state(None)
OLDER = Path(__file__).parent / "older/7b9176a"
PASSPHRASE = "only-for-the-lab-7b9176a"
DAY = "2026-11-28"
"""When it was made: tokens and certificates are renewed by the calendar, which is not what is asked here."""
CA_FILES = "/root/.cache/auto-devops/ca"
"""A place on the computer that made it, which is in the state: where GitLab's CA lies."""
HOLDS_DATA = {
    "docker:index/volume:Volume",
    "kubernetes:core/v1:Namespace",
    "gitlab:index/group:Group",
    "gitlab:index/project:Project",
}
HOLD_DATA = {
    "gitlab-server-data": "GitLab's directories",
    "gitlab-server-docker-engine": "the engine's directory, with GitLab's container",
    "registry-host-docker-engine": "the engine's directory, with the registry's volume",
    "k8s-node-prepare-k8s": "the directories below /var/lib",
    "k8s-node-control-plane": "etcd",
    "k8s-node-storage": "applications' volumes",
    "ca-root-key": "every certificate, and what people have installed to trust them",
}
"""Resources of other types whose removal takes away what nobody can make again -> what."""
HARMLESS = {"same", "update", "create", "read"}
FROZEN = f"""import datetime


class Then(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat("{DAY}T23:00:00+00:00").astimezone(tz)


datetime.datetime = Then
"""
"""Python runs a module called sitecustomize before any program.

The clock itself stays: gRPC waits by it, for as many hours as another one would be ahead.
"""


@dataclass(frozen=True)
class Step:
    """What a preview would do to one resource."""

    operation: str
    urn: str
    why: tuple[str, ...] = ()
    """The properties that differ."""

    @property
    def holds_data(self) -> bool:
        """Whether data that people have would go with the resource."""
        kind, name = self.urn.split("::")[-2:]
        return kind.rpartition("$")[2] in HOLDS_DATA or name in HOLD_DATA


@dataclass(frozen=True)
class Older:
    """The older stack in a directory of its own, as pulumi is shown it."""

    directory: Path

    def pulumi(self, *arguments: str) -> Result:
        """`pulumi` on it, with the lab's tools and a home of its own."""
        environment = stack.environment() | {
            "PATH": f"{self.directory / 'tools'}:{paths.VENV / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory),
            "PYTHONPATH": str(self.directory / "python"),
            "PULUMI_HOME": str(self.directory / "pulumi"),
            "PULUMI_BACKEND_URL": f"file://{self.directory / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_CONFIG_PASSPHRASE_FILE": "",
        }
        return run(["pulumi", *arguments, "--non-interactive"], env=environment)

    def preview(self, settings: dict[str, Any]) -> list[Step]:
        """What `pulumi up` would do with these settings, for every resource."""
        file = self.directory / f"Pulumi.{stack.STACK}.yaml"
        file.write_text(yaml.safe_dump(settings))
        done = self.pulumi(
            "preview", "--json", "--show-sames", "--stack", stack.STACK, "--config-file", str(file)
        ).succeeded()
        start = re.search(r"^\{", done.output, re.MULTILINE)
        assert start, done.output
        found, _ = json.JSONDecoder().raw_decode(done.output[start.start() :])
        return [Step(step["op"], step["urn"], tuple(step.get("diffReasons") or ())) for step in found["steps"]]


def imported(directory: Path, change: Callable[[dict[str, Any]], None] = lambda deployment: None) -> Older:
    """The state in a backend of its own in `directory`; `change` may alter it before."""
    log = StepLog(directory / "log")
    tools.build_cli(log)
    tools.build_plugins(log)
    for folder in ("tools", "backend", "python", "project"):
        (directory / folder).mkdir()
    for tool in tools.all_tools():
        (directory / "tools" / tool.name).symlink_to(tool.path)
    (directory / "python/sitecustomize.py").write_text(FROZEN)
    text = gzip.decompress(OLDER.with_suffix(".json.gz").read_bytes()).decode()
    text = text.replace(f'"{CA_FILES}/', f'"{directory}/.cache/auto-devops/ca/')
    exported = json.loads(text)
    change(exported["deployment"])
    state = directory / "state.json"
    state.write_text(json.dumps(exported))
    # `stack init` writes beside Pulumi.yaml: in a copy, so that the repository stays as it is.
    shutil.copy(paths.REPOSITORY / "Pulumi.yaml", directory / "project")
    older = Older(directory)
    project = ("--cwd", str(directory / "project"))
    older.pulumi(*project, "stack", "init", stack.STACK, "--secrets-provider", "passphrase").succeeded()
    older.pulumi(*project, "stack", "import", "--stack", stack.STACK, "--file", str(state)).succeeded()
    return older


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Older:
    """The stack as it was left."""
    return imported(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="module")
def settings(older: Older) -> dict[str, Any]:
    """Those that it was made with; the files that they name are taken out of the state, where their content is."""
    project = ("--cwd", str(older.directory / "project"))
    shown = older.pulumi(*project, "stack", "export", "--stack", stack.STACK, "--show-secrets").succeeded()
    deployment = shown.json()["deployment"]
    inputs = {resource["urn"].rpartition("::")[2]: resource.get("inputs", {}) for resource in deployment["resources"]}
    connections = [_plain(each["connection"]) for each in inputs.values() if "connection" in each]
    mirrors_ca = unpack(_plain(inputs["ca-trust-dns"]["stdin"]))["files/auto-devops-mirrors.crt"]
    known_hosts = {f"{each['host']} {each['hostKey']}\n" for each in connections}
    files = {
        "id": connections[0]["privateKey"],
        "known_hosts": "".join(sorted(known_hosts)),
        "mirrors.crt": mirrors_ca,
    }
    for name, content in files.items():
        (older.directory / name).write_text(content)
        (older.directory / name).chmod(0o600)
    loaded: dict[str, Any] = yaml.safe_load(OLDER.with_suffix(".yaml").read_text())
    loaded["encryptionsalt"] = deployment["secrets_providers"]["state"]["salt"]
    config = loaded["config"]
    config["auto-devops:ssh"] |= {
        "privateKeyFile": str(older.directory / "id"),
        "knownHostsFile": str(older.directory / "known_hosts"),
    }
    config["auto-devops:mirrors"]["caCertificateFile"] = str(older.directory / "mirrors.crt")
    return loaded


@pytest.fixture(scope="module")
def steps(older: Older, settings: dict[str, Any]) -> list[Step]:
    """What `pulumi up` with today's program would do to it."""
    return older.preview(settings)


def test_no_data_is_taken_away(steps: list[Step]) -> None:
    holding = [step for step in steps if step.holds_data]
    assert {step.urn.rpartition("::")[2] for step in holding} >= HOLD_DATA.keys()
    assert {step.urn.split("::")[-2].rpartition("$")[2] for step in holding} >= HOLDS_DATA
    assert [step for step in holding if step.operation not in HARMLESS] == []


def test_only_scripts_run_again(steps: list[Step]) -> None:
    """In place, since what they ship has changed: nothing is replaced, deleted or made.

    And images are from now on left to the machine, which knows whose they are (see docker-images.sh), and our charts
    are named by their place in the project, with a checksum.
    What is made with something that a script prints (the kubeconfig, GitLab's token) shows as an update as well: a
    preview does not know that it will print the same.
    """
    assert len(steps) > 150
    changed = [step for step in steps if step.operation != "same"]
    assert {step.operation for step in changed} <= {"update"}
    kinds = {step.urn.split("::")[-2].rpartition("$")[2] for step in changed}
    assert "command:remote:Command" in kinds
    images = [step for step in changed if step.urn.endswith("-image") and "docker:index" in step.urn]
    assert {why for image in images for why in image.why} == {"keepLocally"}
    kinds -= {"docker:index/remoteImage:RemoteImage"}
    assert {kind.partition(":")[0] for kind in kinds} <= {"command", "kubernetes", "gitlab", "pulumi"}
    releases = [step for step in changed if step.urn.split("::")[-2].endswith("kubernetes:helm.sh/v3:Release")]
    assert {why.partition(".")[0] for each in releases for why in each.why} <= {"chart", "values", "version"}
    scripts = [step for step in changed if step.urn.split("::")[-2].endswith("command:remote:Command")]
    assert {why.partition(".")[0] for each in scripts for why in each.why} <= {
        "connection",
        "create",
        "delete",
        "stdin",
        "update",
    }


def test_what_would_take_data_away_is_seen(settings: dict[str, Any], tmp_path: Path) -> None:
    """The same stack without its projects, had they been let go: namespaces, the group and projects go with them."""

    def let_go(deployment: dict[str, Any]) -> None:
        root = next(each for each in deployment["resources"] if each["type"] == "pulumi:pulumi:Stack")
        assert root["outputs"]["keptRepositories"], "what keeps `pulumi up` from deleting a repository"
        root["outputs"]["keptRepositories"] = []

    config = {key: value for key, value in settings["config"].items() if key != "auto-devops:projects"}
    steps = imported(tmp_path, let_go).preview(settings | {"config": config})
    lost = [step for step in steps if step.holds_data and step.operation not in HARMLESS]
    assert {step.operation for step in lost} == {"delete"}
    assert {step.urn.split("::")[-2].rpartition("$")[2] for step in lost} == {
        "kubernetes:core/v1:Namespace",
        "gitlab:index/group:Group",
        "gitlab:index/project:Project",
    }


def _plain(value: Any) -> Any:
    """A value of an export with its secrets shown."""
    match value:
        case {"4dabf18193072939515e22adb298388d": _, "plaintext": text}:
            return _plain(json.loads(text))
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value
