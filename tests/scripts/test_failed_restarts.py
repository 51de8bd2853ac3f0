"""Services of somebody's whose restart failed or that went, and what an adopted directory has."""

from __future__ import annotations

from pathlib import Path

from tests.scripts.gitlab import server
from tests.scripts.kubernetes.test_give_back import SCRIPTS as K8S
from tests.scripts.kubernetes.test_give_back import Node
from tests.scripts.rooted import Rooted
from tests.scripts.test_name_service import RESOLVER, asking, machine  # noqa: F401
from tests.scripts.test_name_service import SCRIPTS as DNS
from tests.scripts.test_somebodys_things import OURS, RUNNER, THEIRS, runner_beside_theirs
from tests.scripts.test_sshd import WITH_INCLUDE, Sshd, host_key, sshd  # noqa: F401


def test_an_adopted_directorys_own_key_is_kept(machine: Rooted) -> None:  # noqa: F811
    """The platform's own GitLab was in A; gitlab.dataDirectory then names B, somebody's, which is adopted."""
    a, b = machine.root / "srv/gitlab", machine.root / "srv/theirs"
    key = machine.write("srv/theirs/config/ssl/gitlab.devops.example.com.key", "their private key", 0o600)
    machine.write("srv/theirs/data/postgresql/x", "theirs")
    for data in (a, b):
        server.run(machine, data, server.INSTALL, ADOPT=str(b))
    server.run(machine, b, server.REMOVE, ADOPT=str(b))
    assert key.exists() and key.read_text() == "their private key"


def test_destroy_where_networkmanager_went(asking: Rooted) -> None:  # noqa: F811
    """Somebody has purged it since; our file in its conf.d stayed."""
    asking.fake("systemctl", 'case "$*" in *is-active*NetworkManager*) true ;; *is-active*) false ;; esac')
    assert asking.step(DNS / "resolver.sh", **RESOLVER).returncode == 0
    asking.fake("systemctl", 'case "$*" in *try-reload-or-restart*) exit 5 ;; *is-active*) false ;; esac')
    asking.step(DNS / "unresolver.sh", BEGUN="yes")
    done = asking.step(DNS / "unresolver.sh", BEGUN="yes")
    assert done.returncode == 0, "destroy never ends"


def test_registrations_that_an_interrupted_96f174e_took_for_its_own(machine: Rooted) -> None:  # noqa: F811
    """There, run 1 ended before config.toml and run 2 wrote the adopted user's registrations into gitlab-runner-ids."""
    machine.write("var/lib/auto-devops/gitlab-runner-ids", "ourownxxx\ntheirsxxx\n")
    machine.write(f"var/lib/auto-devops/before{machine.root}/srv/gitlab-runner/config.toml", THEIRS)
    machine.write("srv/gitlab-runner/config.toml", OURS, 0o600)
    runner_beside_theirs(machine)
    adopt = {"ADOPT": f"{machine.root}/srv/gitlab-runner"}
    done = machine.step(RUNNER / "configure.sh", BEGUN="yes", **adopt)
    assert done.returncode == 0, done.stderr
    done = machine.step(RUNNER / "remove.sh", BEGUN="yes", **adopt)
    assert done.returncode == 0, done.stderr
    bad = {"docker volume rm runner-theirs-cache", "docker rm --force --volumes their-job"} & set(machine.calls)
    assert not bad


def test_a_port_in_a_file_of_conf_d_comes_back(sshd: Sshd) -> None:  # noqa: F811
    """leave.sh was killed in sshd_undo, between `rm` of the drop-in and the first `sed`; destroy again."""
    sshd.configure(WITH_INCLUDE)
    own = sshd.drop_ins / "50-own.conf"
    own.write_text("Port 22\n")
    before = sshd.files()
    assert sshd.does("sshd-open") == ["22", "2222"]
    assert "was Port 22" in own.read_text()
    sshd.machine.fake("sed", 'case "$*" in *" was //"*) kill -9 $PPID; exit 1 ;; esac\nexec /usr/bin/sed "$@"')
    assert sshd.step("leave")[0] != 0
    (sshd.machine.root / "bin/sed").unlink()
    status, said = sshd.step("leave")
    assert status == 0, said
    assert sshd.files() == before


def test_somebodys_containerd_whose_restart_failed(tmp_path: Path) -> None:
    """The restart at the end of the removal failed; it was mended; destroy again."""
    node = Node(tmp_path / "node")
    active = node.root / "containerd-active"
    active.touch()
    body = f"""case "$*" in
    *is-active*containerd) [ -e {active} ] ;;
    "restart containerd" | "start containerd") touch {active} ;;
    *is-active*) false ;;
    esac"""
    node.fake("systemctl", body)
    node.fake(
        "ctr",
        f"[ -e {active} ] || exit 1; "
        f"if [ -e {node.root}/pods ]; then case $* in *'images ls -q') echo x/pause:3 ;; esac; fi",
    )
    node.prepare()
    (node.root / "pods").touch()
    node.fake("systemctl", f'case "$*" in "restart containerd") rm -f {active}; exit 1 ;; esac\n' + body)
    assert node.step(K8S / "unprepare.sh", BEGUN="yes").returncode != 0
    node.fake("systemctl", body)
    done = node.step(K8S / "unprepare.sh", BEGUN="yes")
    assert done.returncode == 0, done.stderr
    assert active.exists(), "somebody's containerd is left stopped"
    assert "ctr -n k8s.io images rm x/pause:3" in node.calls, "the pods' images are left in it"


def test_somebodys_bind_whose_restart_failed(machine: Rooted) -> None:  # noqa: F811
    """Not ours: `restart_if_active named` failed once."""
    machine.fake("dpkg-query", 'case "$*" in *Status*bind9*) printf installed ;; esac')
    down = machine.root / "down"
    machine.fake(
        "systemctl", f'case "$*" in "restart named") touch {down}; exit 1 ;; *is-active*) [ ! -e {down} ] ;; esac'
    )
    assert machine.step(DNS / "remove.sh", BEGUN="yes").returncode != 0
    machine.fake(
        "systemctl", f'case "$*" in "re"*named | "start named") rm -f {down} ;; *is-active*) [ ! -e {down} ] ;; esac'
    )
    assert machine.step(DNS / "remove.sh", BEGUN="yes").returncode == 0
    assert not down.exists(), "somebody's BIND is left stopped"
