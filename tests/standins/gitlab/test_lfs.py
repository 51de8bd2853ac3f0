"""Large files: the batch API as git-lfs asks it, logged in by a token or through an SSH key."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import gitlab
import pytest
import requests

from tests.standins.gitlab.conftest import TOKEN
from tests.standins.gitlab.installation import SERVER, Installation

CONTENT = b"a large file\n" * 1000
OID = hashlib.sha256(CONTENT).hexdigest()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada"


def batch(installation: Installation, project: Any, operation: str, **login: Any) -> requests.Response:
    return installation.post(
        f"/{project.path_with_namespace}.git/info/lfs/objects/batch",
        json={"operation": operation, "transfers": ["basic"], "objects": [{"oid": OID, "size": len(CONTENT)}]},
        **login,
    )


def shell(installation: Installation, who: str, command: str) -> subprocess.CompletedProcess[str]:
    """What sshd runs for someone with that key."""
    root = installation.root
    return subprocess.run(
        [sys.executable, "-m", "gitlab_standin.shell", who],
        env={
            **os.environ,
            "PYTHONPATH": str(SERVER),
            "SSH_ORIGINAL_COMMAND": command,
            "GITLAB_SHELL_SOCKET": str(root / "run/gitlab/internal.sock"),
            "GITLAB_SHELL_SECRET": str(root / "var/opt/gitlab/gitlab-shell/.gitlab_shell_secret"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def key(client: gitlab.Gitlab) -> Any:
    """An SSH key of root's."""
    assert client.user is not None
    made = client.user.keys.create({"title": "laptop", "key": KEY})
    yield made
    made.delete()


def test_an_object_goes_up_and_comes_back_by_the_login_of_an_ssh_key(
    installation: Installation, project: Any, key: Any
) -> None:
    asked = f"git-lfs-authenticate {project.path_with_namespace}.git upload"
    done = shell(installation, f"key-{key.id}", asked)
    assert done.returncode == 0, done.stderr
    login = json.loads(done.stdout)
    assert login["href"] == f"{installation.url}/{project.path_with_namespace}.git/info/lfs"
    (wanted,) = batch(installation, project, "upload", headers=login["header"]).json()["objects"]
    upload = wanted["actions"]["upload"]
    verify = str(installation.ca)
    sent = requests.put(upload["href"], data=CONTENT, headers=upload["header"], verify=verify, timeout=30)
    assert sent.status_code == 200, sent.text
    (there,) = batch(installation, project, "download", auth=("oauth2", TOKEN)).json()["objects"]
    download = there["actions"]["download"]
    assert requests.get(download["href"], headers=download["header"], verify=verify, timeout=30).content == CONTENT


def test_the_login_of_an_ssh_key_is_for_lfs_alone(installation: Installation, project: Any, key: Any) -> None:
    asked = f"git-lfs-authenticate {project.path_with_namespace}.git download"
    header = json.loads(shell(installation, f"key-{key.id}", asked).stdout)["header"]
    refs = f"/{project.path_with_namespace}.git/info/refs?service=git-upload-pack"
    assert installation.get(refs, headers=header).status_code == 401


def test_a_forged_login_is_refused(installation: Installation, project: Any) -> None:
    assert batch(installation, project, "download", auth=("root", "1.9999999999.00")).status_code == 401


def test_an_object_whose_content_is_another_is_refused(installation: Installation, project: Any) -> None:
    (wanted,) = batch(installation, project, "upload", auth=("oauth2", TOKEN)).json()["objects"]
    upload = wanted["actions"]["upload"]
    verify = str(installation.ca)
    sent = requests.put(upload["href"], data=b"another", headers=upload["header"], verify=verify, timeout=30)
    assert sent.status_code == 422
