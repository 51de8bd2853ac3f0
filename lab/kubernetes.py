"""What a Kubernetes node downloads, made here: upstream's programs from their Go modules, and the images around them.

The folders below lab/mirror/kubernetes name the components and their versions. Owns `kubernetes/` (programs) and
`mirror/files/` (the document root of the mirror's web server) in the cache, the copy of that root on the mirror, and
the images of Kubernetes in the mirror's registry. `python -m lab.kubernetes VERSION` adds another Kubernetes version to
a mirror that runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from lab import base, engine, images, machines, mirror, paths, programs
from lab.inventory import MIRROR
from lab.keys import content_key
from lab.steps import LabError, Plan, StepLog

VERSION = "v1.36.3"
"""The Kubernetes that `make up` provides."""
_SOURCES = paths.SOURCES / "mirror/kubernetes"
_PROGRAMS = paths.CACHE / "kubernetes"
_FILES = paths.CACHE / "mirror/files"
_STAMPS = ".stamps"
_PLATFORM = "linux-amd64"
_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_DOWNLOADED_BY_NODES = ("kubeadm", "kubelet", "kubectl")


@dataclass(frozen=True)
class Component:
    """Programs that are released together: a folder with a go.mod, named by component and version."""

    name: str
    version: str

    @property
    def programs(self) -> Path:
        """The folder they are built into."""
        return _PROGRAMS / f"{self.name}-{self.version}"

    @property
    def key(self) -> str:
        """Key of all they are made from."""
        return content_key(go_version(), _SOURCES / "build.sh", _SOURCES / self.name / self.version)

    def check(self) -> None:
        """A LabError names the versions there are if this is none of them."""
        if self.version not in _versions(self.name):
            raise LabError(
                f"the lab has no {self.name} {self.version}; it has: {', '.join(_versions(self.name))}",
                f"choose one of those, or add the version as {_SOURCES / 'README.md'} says",
            )


@dataclass(frozen=True)
class Image:
    """An image with programs of a component: a folder with a Dockerfile that copies them, and the upstream name."""

    upstream: str
    folder: str
    component: Component
    programs: tuple[str, ...] = ()
    arguments: dict[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The image's name in the lab's engine, with its content key."""
        name = self.upstream.rpartition(":")[0].rpartition("/")[2]
        sources = _SOURCES / "images" / self.folder
        key = content_key(base.tag(), sources, self.component.key if self.programs else "", str(self.arguments))
        return f"{images.PREFIX}/mirror-{name}:{key}"

    def prepare(self, log: StepLog, context: Path) -> None:
        """Fill the build context."""
        mirror.copy_folder(log, _SOURCES / "images" / self.folder, context)
        for program in self.programs:
            os.link(self.component.programs / program, context / program)


def add_steps(plan: Plan, version: str = VERSION, after: tuple[str, ...] = ()) -> None:
    """Add the steps that build Kubernetes `version` and put it on the mirror, which the steps `after` start."""
    release = f"kubernetes {version}"
    plan.add(release, partial(build_release, version=version))
    # One after the other: a package that both need is then built once.
    plan.add("kubernetes add-ons", build_addons, [release])
    plan.add("kubernetes images", partial(push_images, version=version), [release, "kubernetes add-ons", *after])
    plan.add("kubernetes files", partial(publish, version=version), [release, "kubernetes add-ons", *after])


def build_release(log: StepLog, version: str = VERSION) -> str:
    """Build Kubernetes' own programs, and those of the etcd and CoreDNS that its kubeadm asks for."""
    made = _build(log, Component("kubernetes", version))
    # Which etcd and CoreDNS these are is known only now.
    for component in dict.fromkeys(image.component for image in _release_images(version)):
        made = _build(log, component) or made
    return "built" if made else "already built"


def build_addons(log: StepLog) -> str:
    """Build what goes with any Kubernetes: network plugins, Helm, metrics, storage."""
    made = [component.name for component in _addons() if _build(log, component)]
    return f"built {', '.join(made)}" if made else "already built"


def helm(log: StepLog) -> Path:
    """The program `helm`, built if need be."""
    component = addon("helm")
    _build(log, component)
    return component.programs / "helm"


def push_images(log: StepLog, version: str = VERSION) -> str:
    """Put the images of the cluster and its add-ons into the mirror's registry."""
    wanted = [*_release_images(version), *_addon_images()]
    made = [
        image.upstream
        for image in wanted
        if mirror.provide(log, image.upstream, image.tag, partial(image.prepare, log), image.arguments)
    ]
    return f"{len(made)} of {len(wanted)} images pushed" if made else "already filled"


def publish(log: StepLog, version: str = VERSION) -> str:
    """Lay out what nodes download by HTTPS, copy it to the mirror, and check that the mirror serves it."""
    copied = []
    for component in (Component("kubernetes", version), addon("cni-plugins"), addon("helm")):
        files = _lay_out(log, component)
        if _copy_to_mirror(log, component, files):
            copied.append(f"{component.name} {component.version}")
        served = next(name for name in files if name.endswith(".sha256"))
        mirror.check_serves(served, _FILES / served)
    return f"copied {', '.join(copied)}" if copied else "already there"


def _release_images(version: str) -> list[Image]:
    """The images that a cluster of this version is made from, as its kubeadm lists them."""
    kubernetes = Component("kubernetes", version)
    return [_release_image(kubernetes, name) for name in (kubernetes.programs / "images.txt").read_text().split()]


def _release_image(kubernetes: Component, upstream: str) -> Image:
    path, _, tag = upstream.rpartition(":")
    name = path.rpartition("/")[2]
    if name in _CONTROL_PLANE:
        return Image(upstream, "control-plane", kubernetes, (name, "kube-log-runner"), {"PROGRAM": name})
    match name:
        case "kube-proxy":
            return Image(upstream, name, kubernetes, (name, "kube-log-runner"))
        case "etcd":
            # The tag is the version and the number of the image made of it: 3.6.8-0.
            component = Component(name, f"v{tag.partition('-')[0]}")
            return Image(upstream, name, component, ("etcd", "etcdctl", "etcdutl"))
        case "coredns":
            return Image(upstream, name, Component(name, tag), (name,))
        case "pause":
            return Image(upstream, name, kubernetes)
    raise LabError(f"kubeadm {kubernetes.version} asks for an image that the lab cannot make: {upstream}")


def _addon_images() -> list[Image]:
    return [
        Image(f"{repository}:{component.version}", component.name, component, (component.name,))
        for repository, component in (
            ("registry.k8s.io/metrics-server/metrics-server", addon("metrics-server")),
            ("docker.io/rancher/local-path-provisioner", addon("local-path-provisioner")),
        )
    ]


def _addons() -> list[Component]:
    """The components of which there is one version, whatever that of Kubernetes."""
    return [addon(name) for name in ("metrics-server", "local-path-provisioner", "helm", "cni-plugins")]


def addon(name: str) -> Component:
    """The component of which there is one version, whatever that of Kubernetes."""
    (version,) = _versions(name)
    return Component(name, version)


def _versions(component: str) -> list[str]:
    return sorted(file.parent.name for file in (_SOURCES / component).glob("*/go.mod"))


def _build(log: StepLog, component: Component) -> bool:
    """Build a component's programs unless those that are there have its key."""
    component.check()
    what = f"{component.name} {component.version}"
    build = (_SOURCES / "build.sh", component.name, component.version)
    return programs.build(log, component.programs, component.key, what, *build)


def _layout(component: Component) -> dict[str, dict[str, Path]]:
    """The downloads: name below the document root -> files in it by member name, or one alone under no name."""
    built, version = component.programs, component.version
    match component.name:
        case "kubernetes":
            folder = f"dl.k8s.io/release/{version}/bin/{_PLATFORM.replace('-', '/')}"
            return {f"{folder}/{name}": {"": built / name} for name in _DOWNLOADED_BY_NODES}
        case "cni-plugins":
            programs = sorted(path for path in built.iterdir() if not path.name.startswith("."))
            archive = f"cni/{version}/cni-plugins-{_PLATFORM}-{version}.tgz"
            return {archive: {f"./{path.name}": path for path in programs}}
        case "helm":
            return {f"get.helm.sh/helm-{version}-{_PLATFORM}.tar.gz": {f"{_PLATFORM}/helm": built / "helm"}}
    raise LookupError(component.name)


def _checksums(component: Component, name: str, digest: str) -> dict[str, str]:
    """The files beside a download that have its checksum, as the component's upstream writes them."""
    line = f"{digest}  {name.rpartition('/')[2]}\n"
    match component.name:
        case "cni-plugins":
            return {f"{name}.sha256": line}
        case "helm":
            return {f"{name}.sha256": f"{digest}\n", f"{name}.sha256sum": line}
    return {f"{name}.sha256": digest}


def _lay_out(log: StepLog, component: Component) -> list[str]:
    """Put a component's downloads and their checksums into the document root; returns their names below it."""
    # The list of names is the stamp: it is there when all that it names is.
    stamp = _FILES / _STAMPS / f"{component.name}-{component.version}"
    made = content_key(component.key, Path(__file__))
    if stamp.exists() and (lines := stamp.read_text().split())[0] == made:
        return lines[1:]
    stamp.unlink(missing_ok=True)
    names = []
    for name, members in _layout(component).items():
        log.awaiting(f"laying out {name}")
        target = _FILES / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if "" in members:
            shutil.copy(members[""], target)
        else:
            _pack(target, members)
        with target.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        checksums = _checksums(component, name, digest)
        for beside, text in checksums.items():
            (_FILES / beside).write_text(text)
        names += [name, *checksums]
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text("\n".join([made, *names]))
    return names


def _pack(target: Path, members: dict[str, Path]) -> None:
    with tarfile.open(target, "w:gz", compresslevel=6) as archive:
        for name, path in members.items():
            archive.add(path, arcname=name, filter=_as_root)


def _copy_to_mirror(log: StepLog, component: Component, names: list[str]) -> bool:
    """Copy the files into the mirror machine unless it has them: what is changed there never harms the cache."""
    target = machines.container(MIRROR)
    stamp = _FILES / _STAMPS / f"{component.name}-{component.version}"
    stamp_there = f"{mirror.ROOT}/{_STAMPS}/{stamp.name}"
    if target.exec_run(["cat", stamp_there]).output == stamp.read_bytes():
        return False
    log.awaiting(f"copying {component.name} {component.version} to the mirror")
    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in names:
                tar.add(_FILES / name, arcname=f"{mirror.ROOT}/{name}", filter=_as_root)
        packed.seek(0)
        target.put_archive("/", packed)
    machines.put_files(target, {stamp_there: (stamp.read_bytes(), 0o644)})
    return True


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


@cache
def go_version() -> str:
    """The version of the computer's own Go."""
    return subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()


def _check_mirror(log: StepLog) -> None:
    log.awaiting("the mirror")
    if not engine.answers() or machines.container(MIRROR).status != "running":
        raise LabError("the lab's mirror does not run", "run `make up`")


def main(arguments: list[str]) -> int:
    """Add Kubernetes versions to a mirror that runs."""
    for version in arguments or [VERSION]:
        plan = Plan(again=f"lab/bootstrap.sh --python -m lab.kubernetes {version}")
        plan.add("mirror", _check_mirror)
        add_steps(plan, version, after=("mirror",))
        plan.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
