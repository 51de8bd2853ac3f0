"""A person who works with GitLab: an account, a token and a key, made by the API as an administrator would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import gitlab
import requests

from lab import paths
from tests.lab.driver import DOMAIN, Lab, eventually

GITLAB = f"gitlab.{DOMAIN}"
FINISHED = ("success", "failed", "canceled", "skipped")
PIPELINE_SECONDS = 600
PING = (
    """sed -i '/"\\/ping"/s/message("[^"]*")/message("{answer}")/' router.go && """
    """sed -i '/"\\/ping"/s/"message":"[^"]*"/"message":"{answer}"/' router_test.go"""
)
"""The change that makes a sample service, and its own test, answer with another message."""


def api(lab: Lab, token: str | None = None) -> gitlab.Gitlab:
    """GitLab's API by python-gitlab, by address, as the platform's administrator or with another token."""
    outputs = lab.outputs()
    trust = paths.LAB / "platform-ca.crt"
    trust.write_text(outputs["caCertificate"])
    session = requests.Session()
    session.trust_env = False  # or this computer's own bundle would be trusted instead
    return gitlab.Gitlab(
        f"https://{outputs['addresses']['gitlab']}",
        private_token=token or outputs["gitlabToken"],
        ssl_verify=str(trust),
        session=session,
    )


@dataclass
class Person:
    """Somebody with a token and an SSH key, whose clones are in /root/work of the workstation."""

    lab: Lab
    name: str
    token: str

    @classmethod
    def joins(cls, lab: Lab, name: str, group: str) -> Person:
        """A maintainer of the group, with the workstation's key."""
        site = api(lab)
        for old in site.users.list(username=name, get_all=True):
            old.delete(hard_delete=True)
            eventually(f"{name}'s old account to go", lambda: not site.users.list(username=name, get_all=True))
        user = site.users.create(
            {
                "username": name,
                "name": name.title(),
                "email": f"{name}@{DOMAIN}",
                "password": "only-for-the-lab-9182",
                "skip_confirmation": True,
            }
        )
        site.groups.get(group).members.create({"user_id": user.id, "access_level": gitlab.const.MAINTAINER_ACCESS})
        token = user.personal_access_tokens.create({"name": "work", "scopes": ["api", "write_repository"]}).token
        lab.workstation("test -e ~/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
        user.keys.create({"title": "workstation", "key": lab.workstation("cat ~/.ssh/id_ed25519.pub").strip()})
        lab.workstation("rm -rf ~/work && mkdir ~/work")
        lab.workstation("git config --global user.name Dev && git config --global user.email dev@example.com")
        # As the person would type it once; it never stands in a URL.
        lab.workstation(
            "git config --global credential.helper store && umask 077 && "
            f"printf 'https://{name}:{token}@{GITLAB}\\n' >~/.git-credentials"
        )
        lab.workstation(f"ssh-keyscan -t ed25519 {GITLAB} >~/.ssh/known_hosts 2>/dev/null")
        return cls(lab, name, token)

    def clones(self, project: str, *, ssh: bool = False) -> str:
        """Its directory on the workstation."""
        directory = f"work/{project.replace('/', '-')}"
        url = f"git@{GITLAB}:{project}.git" if ssh else f"https://{GITLAB}/{project}.git"
        self.lab.workstation(f"rm -rf {directory} && git clone -q {url} {directory}")
        return directory

    def pushes(self, directory: str, change: str, message: str) -> str:
        """A shell line changes the files; what comes of it is committed and pushed. Returns the commit."""
        self.lab.workstation(f"cd {directory} && {change} && git commit -qam '{message}' && git push -q")
        return self.lab.workstation(f"git -C {directory} rev-parse HEAD").strip()


def pipeline(lab: Lab, project: str, sha: str) -> Any:
    """The commit's pipeline, once it has finished."""
    found = api(lab).projects.get(project)

    def last() -> Any:
        pipelines = found.pipelines.list(sha=sha, get_all=True)
        return pipelines[0] if pipelines else None

    def finished() -> bool:
        seen = last()
        return seen is not None and seen.status in FINISHED

    eventually(f"the end of {project}'s pipeline of {sha}: {found.web_url}/-/pipelines", finished, PIPELINE_SECONDS, 1)
    return last()


def trace(lab: Lab, project: str, job: int) -> str:
    """A job's log."""
    return bytes(api(lab).projects.get(project).jobs.get(job).trace()).decode()


def passed(lab: Lab, project: str, sha: str) -> dict[str, str]:
    """The logs of the commit's jobs by their names; the pipeline has to succeed."""
    done = pipeline(lab, project, sha)
    logs = {job.name: trace(lab, project, job.id) for job in done.jobs.list(get_all=True)}
    assert done.status == "success", {name: log[-2000:] for name, log in logs.items()}
    return logs


def answers(lab: Lab, project: str, message: str) -> None:
    """Waits until the project's service answers with the message."""
    expected = json.dumps({"message": message}, separators=(",", ":"))
    asked = f"curl -sS --max-time 5 http://{project.replace('/', '-')}.k8s.{DOMAIN}/ping"
    eventually(f"{expected} of {project}", lambda: lab.on("workstation", asked).output == expected)
