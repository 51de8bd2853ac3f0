"""What is left of projects that are gone, on the machine of their runner."""

from __future__ import annotations

from pathlib import Path

from components.gitlab_runner.gitlab_runner import SCRIPTS, configuration
from names import Names
from settings.ci import CiSettings
from settings.mirrors import Downloads, MirrorSettings
from tests.scripts.machine import Machine


def test_volumes_of_projects_that_are_gone_go(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    script = machine.root / "configure.sh"
    script.write_text((SCRIPTS / "configure.sh").read_text().replace("/srv/gitlab-runner", f"{machine.root}/srv"))
    # As the real runner shortens tokens: the prefix off, nine characters, of which the outer two are letters or digits.
    tokens = {"one": "glrt-t3_abcdefghijkl", "two": "glrt--bcdefgh_jkl"}
    files = dict.fromkeys(("ca.crt", "ca.pem", "cert.pem", "key.pem"), "")
    downloads = Downloads(MirrorSettings.model_validate({}), None, [])
    config = configuration(
        Names("devops.example.com"), CiSettings.model_validate({}), downloads, tokens, name_server=""
    )
    machine.files({**files, "config.toml": config, "volumes": "auto-devops-cache-one\nauto-devops-cache-two\n"})
    # What an earlier run configured; a runner of somebody else's on the same engine is none of those.
    (machine.root / "srv").mkdir()
    (machine.root / "srv/config.toml").write_text('  token = "glrt-gonegonegone"\n')
    machine.fake(
        "docker",
        """case "$*" in
        *"name=auto-devops-cache-"*) printf '%s\\n' auto-devops-cache-one auto-devops-cache-gone x-auto-devops-cache- ;;
        *"label=com.gitlab"*) printf '%s runner-%s\\n' abcdefghi one r-bcdefgh two gonegoneg gone somebody1 theirs ;;
        esac""",
    )
    done = machine.run(script)
    assert done.returncode == 0, done.stderr
    removed = [call for call in machine.calls if call.startswith("docker volume rm")]
    assert removed == ["docker volume rm auto-devops-cache-gone", "docker volume rm runner-gone"]
    assert (machine.root / "state/runners").read_text().split() == ["abcdefghi", "gonegoneg", "r-bcdefgh"]

    remove = machine.root / "remove.sh"
    text = (SCRIPTS / "remove.sh").read_text()
    remove.write_text(text.replace("/srv/gitlab-runner", f"{machine.root}/srv"))
    before = len(machine.calls)
    done = machine.run(remove)
    assert done.returncode == 0, done.stderr
    removed = [call for call in machine.calls[before:] if call.partition(" rm ")[1]]
    ours = "runner-one runner-two runner-gone"
    assert removed == [
        f"docker rm --force --volumes {ours}",
        f"docker volume rm {ours}",
        f"docker network rm {ours}",
        "docker volume rm auto-devops-cache-one auto-devops-cache-gone",
    ]
    assert not (machine.root / "state/runners").exists()
