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

    def configure(tokens: dict[str, str]) -> None:
        settings = CiSettings.model_validate({})
        config = configuration(Names("devops.example.com"), settings, downloads, tokens, name_server="")
        machine.files({**files, "config.toml": config, "volumes": "auto-devops-cache-one\nauto-devops-cache-two\n"})
        done = machine.run(script)
        assert done.returncode == 0, done.stderr

    # Somebody else's runner may use the same engine: of volumes, this one's are those of registrations that it had.
    configure(tokens | {"gone": "glrt-gonegonegone"})
    machine.fake(
        "docker",
        """case "$*" in
        *"name=auto-devops-cache-"*) printf 'auto-devops-cache-%s\\n' one gone ;;
        *"label=com.gitlab"*) printf '%s runner-%s\\n' abcdefghi one r-bcdefgh two gonegoneg gone othersrun others ;;
        esac""",
    )
    configure(tokens)
    removed = [call for call in machine.calls if call.startswith("docker volume rm")]
    assert removed == ["docker volume rm auto-devops-cache-gone", "docker volume rm runner-gone"]
    assert (machine.root / "state/gitlab-runner-ids").read_text().split() == ["abcdefghi", "gonegoneg", "r-bcdefgh"]

    remove = machine.root / "remove.sh"
    text = (SCRIPTS / "remove.sh").read_text()
    remove.write_text(text.replace("/srv/gitlab-runner", f"{machine.root}/srv"))
    machine.fake(
        "docker",
        """case "$*" in
        *"label=com.gitlab.gitlab-runner.runner.id="*) filter=${*: -1}; echo "of-${filter##*=}" ;;
        *"name=auto-devops-cache-"*) printf '%s\\n' auto-devops-cache-{used,one} x-auto-devops-cache-theirs ;;
        "volume rm auto-devops-cache-used") echo "volume is in use - [a1]" >&2; exit 1 ;;
        esac""",
    )
    machine.fake("dockerd", "true")
    before = len(machine.calls)
    done = machine.run(remove)
    assert done.returncode == 0, done.stderr
    removed = [call for call in machine.calls[before:] if call.partition(" rm ")[1]]
    assert removed == [
        f"docker {removal} of-{runner}"
        for runner in ("abcdefghi", "gonegoneg", "r-bcdefgh")
        for removal in ("rm --force --volumes", "volume rm", "network rm")
    ] + ["docker volume rm auto-devops-cache-used", "docker volume rm auto-devops-cache-one"]
    assert "leaving the volume auto-devops-cache-used" in done.stderr
    assert not (machine.root / "state/gitlab-runner-ids").exists()
