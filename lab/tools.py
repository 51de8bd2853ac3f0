"""The tools that run the stack: the `pulumi` CLI, its Python language host and the providers' plugins.

What this computer has installed is preferred. For the rest, the real CLI is built from its Go module and the lab's
stand-ins of standins/pulumi; only those that are needed come on PATH. Owns `bin/` in the cache and `tools/` in the
running lab.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lab import paths
from lab.keys import content_key
from lab.steps import StepLog
from standins.pulumi.language_host.launcher import write_launcher

PROVIDERS = ("command", "docker", "gitlab", "kubernetes", "tls")
ALICLOUD = "alicloud"
"""Upstream's, of which the lab has what DNS needs. It is built only where a test wants it: minutes, and 138 MB."""
LANGUAGE_HOST = "pulumi-language-python"
CHOSEN = paths.LAB / "tools"
"""Links to the built tools that come first on PATH."""
PULUMI_HOME = paths.LAB / "pulumi-home"
_USERS_PULUMI_HOME = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
_PLUGINS = paths.STANDINS / "pulumi"
_PYTHON = str(paths.VENV / "bin/python")
_CLI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
_VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
_STRIPPED = "-s -w"
"""For the linker: no symbols for debuggers, which is a third of an executable."""


@dataclass(frozen=True)
class Tool:
    """One executable the stack needs, and where it comes from."""

    name: str
    path: Path
    installed: bool

    @property
    def origin(self) -> str:
        """For people: what is used."""
        if self.installed:
            return f"installed: {self.path}"
        from_module = self.name in ("pulumi", f"pulumi-resource-{ALICLOUD}")
        return "built from its Go module" if from_module else "the lab's stand-in"


def cli() -> Tool:
    """The pulumi CLI that is used."""
    found = shutil.which("pulumi")
    return Tool("pulumi", Path(found), True) if found else Tool("pulumi", paths.BIN / "pulumi", False)


def language_host() -> Tool:
    """The Python language host that is used: an installed one is beside its CLI or on PATH."""
    engine = cli()
    beside = engine.path.resolve().parent / LANGUAGE_HOST
    found = beside if engine.installed and beside.exists() else shutil.which(LANGUAGE_HOST)
    if found:
        return Tool(LANGUAGE_HOST, Path(found), True)
    return Tool(LANGUAGE_HOST, paths.PLUGINS / LANGUAGE_HOST, False)


def provider(name: str) -> Tool:
    """The provider's plugin that is used: an installed one has the version that the program's SDK asks for."""
    executable = f"pulumi-resource-{name}"
    version = metadata.version(f"pulumi-{name}")
    places = [
        shutil.which(executable),
        _USERS_PULUMI_HOME / f"plugins/resource-{name}-v{version}" / executable,
    ]
    for place in places:
        if place and Path(place).exists():
            return Tool(executable, Path(place), True)
    return Tool(executable, paths.PLUGINS / executable, False)


def all_tools() -> list[Tool]:
    """Every tool, in the order people are told about them."""
    found = [cli(), language_host(), *(provider(name) for name in (*PROVIDERS, ALICLOUD))]
    return [tool for tool in found if tool.name != f"pulumi-resource-{ALICLOUD}" or tool.path.exists()]


def build_cli(log: StepLog) -> str:
    """Build the pulumi CLI unless one is installed, or built from the same versions already."""
    tool = cli()
    if tool.installed:
        return tool.origin
    version = _module_version()
    key = content_key(_go_version(), version, _STRIPPED, paths.SOURCES / "go.mod", paths.SOURCES / "go.sum")
    flags = ["-ldflags", f"{_STRIPPED} -X {_VERSION_VARIABLE}={version}"]
    arguments = [*flags, "-o", str(tool.path), _CLI_PACKAGE]
    return _build(log, paths.SOURCES, tool.path, key, arguments) or f"Pulumi {version}"


def build_plugins(log: StepLog) -> str:
    """Build the stand-ins. All of them are built together, what is used is decided by `choose`."""
    sources = [p for p in _PLUGINS.rglob("*") if p.suffix in {".go", ".json", ".mod", ".sum"}]
    key = content_key(_go_version(), _STRIPPED, sorted(sources))
    paths.PLUGINS.mkdir(parents=True, exist_ok=True)
    write_launcher(paths.PLUGINS / LANGUAGE_HOST, Path(_PYTHON))
    if all(provider(name).installed for name in PROVIDERS):
        return "all installed"
    outputs = f"{paths.PLUGINS}{os.sep}"
    arguments = ["-ldflags", _STRIPPED, "-o", outputs, "./cmd/..."]
    return _build(log, _PLUGINS, paths.PLUGINS / "providers", key, arguments) or ", ".join(PROVIDERS)


def build_alicloud(log: StepLog) -> str:
    """Build Alibaba Cloud's provider, cut down to DNS, unless it is installed or built already."""
    tool = provider(ALICLOUD)
    if tool.installed:
        return tool.origin
    recipe = paths.SOURCES / "tools/alicloud"
    key, stamp = content_key(_go_version(), recipe), tool.path.with_name(f"{tool.path.name}.stamp")
    if tool.path.exists() and stamp.exists() and stamp.read_text() == key:
        return "already built"
    stamp.unlink(missing_ok=True)
    tool.path.parent.mkdir(parents=True, exist_ok=True)
    log.awaiting("go build (ten minutes where Go's build cache is cold)")
    log.run(["nice", "-n", "5", recipe / "build.sh", tool.path])
    stamp.write_text(key)
    return str(tool.path)


def choose(log: StepLog) -> str:
    """Put the tools that are not installed on the stack's PATH; say which is which."""
    shutil.rmtree(CHOSEN, ignore_errors=True)
    CHOSEN.mkdir(parents=True)
    for tool in all_tools():
        log.write(f"{tool.name}: {tool.origin}")
        if not tool.installed:
            (CHOSEN / tool.name).symlink_to(tool.path)
    # Pulumi's own files go with the lab; plugins that the user has installed are found all the same.
    PULUMI_HOME.mkdir(parents=True, exist_ok=True)
    without_log(PULUMI_HOME)
    plugins = PULUMI_HOME / "plugins"
    if (_USERS_PULUMI_HOME / "plugins").is_dir() and not plugins.is_symlink():
        shutil.rmtree(plugins, ignore_errors=True)
        plugins.symlink_to(_USERS_PULUMI_HOME / "plugins")
    installed = sum(tool.installed for tool in all_tools())
    return f"{installed} installed, {len(all_tools()) - installed} of the lab's"


def without_log(home: Path) -> None:
    """Keep the CLI from writing down each property of each call: nearly half its work with a state of 1,000 resources.

    It has no setting for that (pkg/v3 v3.259.0, logging/encrypted.go, StartLogging), but goes on without a log where it
    cannot make the log's directory. `pulumi --logtostderr -v=9` shows the same to whoever looks for something.
    """
    logs = home / "logs"
    if logs.is_dir():
        shutil.rmtree(logs)
    logs.touch()


def processes() -> list[int]:
    """Ids of the running processes of the lab's own tools."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        is_tool = words[0].startswith((f"{CHOSEN}/", f"{paths.BIN}/"))
        is_language_host = words[0] == _PYTHON and any(word.endswith("language_host/server.py") for word in words)
        if is_tool or is_language_host:
            found.append(int(entry.name))
    return found


def _build(log: StepLog, module: Path, target: Path, key: str, arguments: list[str]) -> str:
    """Run `go build` in the module, unless the stamp beside `target` has the key; a note if nothing was to do."""
    stamp = target.with_name(target.name + ".stamp")
    if stamp.exists() and stamp.read_text() == key:
        return "already built"
    target.parent.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    log.awaiting("go build (minutes where Go's build cache is cold)")
    # Without a C compiler, as the rest of the lab: what they have in common is compiled once.
    log.run(["nice", "-n", "5", "go", "build", "-C", module, "-v", "-trimpath", *arguments], env={"CGO_ENABLED": "0"})
    stamp.write_text(key)
    return ""


def _go_version() -> str:
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()


def _module_version() -> str:
    """The CLI's version in go.mod: also the one it must report."""
    required = re.search(r"github\.com/pulumi/pulumi/pkg/v3 (v\S+)", (paths.SOURCES / "go.mod").read_text())
    if required is None:
        raise LookupError(f"{paths.SOURCES / 'go.mod'} does not require github.com/pulumi/pulumi/pkg/v3")
    return required.group(1)
