"""The registry on its own port: a real one, that asks GitLab who may do what."""

from __future__ import annotations

from typing import Any

import gitlab
import pytest
import requests

from tests.standins.gitlab.conftest import TOKEN
from tests.standins.gitlab.installation import Installation, Runner, claims
from tests.standins.gitlab.test_pipelines import push, taken


def asked(installation: Installation, scope: str, login: tuple[str, str] | None) -> requests.Response:
    query = {"service": "container_registry", "scope": scope}
    return installation.get("/jwt/auth", params=query, auth=login)


def granted(installation: Installation, scope: str, login: tuple[str, str]) -> list[str]:
    answer = asked(installation, scope, login)
    assert answer.status_code == 200, answer.text
    access = claims(answer.json()["token"])["access"]
    return list(access[0]["actions"]) if access else []


def test_it_sends_clients_to_gitlab(installation: Installation) -> None:
    answer = requests.get(
        f"https://localhost:{installation.registry_port}/v2/", verify=str(installation.ca), timeout=10
    )
    assert answer.status_code == 401
    realm = f'realm="{installation.url}/jwt/auth",service="container_registry"'
    assert realm in answer.headers["WWW-Authenticate"]


def test_an_image_is_pushed_and_pulled_with_a_token(installation: Installation, project: Any) -> None:
    name = f"{project.path_with_namespace}/web"
    token = asked(installation, f"repository:{name}:pull,push", ("root", TOKEN)).json()["token"]
    base = f"https://localhost:{installation.registry_port}/v2/{name}"
    session = requests.Session()
    session.trust_env = False
    session.verify = str(installation.ca)
    session.headers["Authorization"] = f"Bearer {token}"
    start = session.post(f"{base}/blobs/uploads/", timeout=10)
    assert start.status_code == 202, start.text
    digest = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    done = session.put(start.headers["Location"], params={"digest": digest}, data=b"{}", timeout=10)
    assert done.status_code == 201, done.text
    assert session.get(f"{base}/blobs/{digest}", timeout=10).content == b"{}"
    reading = asked(installation, f"repository:{name}:pull", ("root", TOKEN)).json()["token"]
    session.headers["Authorization"] = f"Bearer {reading}"
    assert session.get(f"{base}/blobs/{digest}", timeout=10).status_code == 200
    assert session.post(f"{base}/blobs/uploads/", timeout=10).status_code == 401


def test_wrong_logins_are_refused(installation: Installation, project: Any) -> None:
    scope = f"repository:{project.path_with_namespace}:pull"
    assert asked(installation, scope, ("root", "wrong")).status_code == 401
    assert asked(installation, scope, None).status_code == 401


def test_a_job_has_its_own_project_only(
    installation: Installation, client: gitlab.Gitlab, project: Any, group: Any, runner: Runner
) -> None:
    other = client.projects.create({"name": "other", "namespace_id": group.id})
    push(project, "job: {script: [x]}")
    job = taken(runner)
    login = ("gitlab-ci-token", job["token"])
    own = project.path_with_namespace
    assert granted(installation, f"repository:{own}:pull,push", login) == ["pull", "push"]
    assert granted(installation, f"repository:{own}/web/api:push,pull", login) == ["push", "pull"]
    assert granted(installation, f"repository:{own}:delete", login) == []
    assert granted(installation, f"repository:{other.path_with_namespace}:pull,push", login) == []
    assert granted(installation, "repository:no/such:pull", login) == []
    runner.end(job)
    assert asked(installation, f"repository:{own}:pull", login).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [(["read_registry"], ["pull"]), (["read_registry", "write_registry"], ["pull", "push"]), (["read_repository"], [])],
)
def test_deploy_tokens_have_their_scopes(
    installation: Installation, project: Any, scopes: list[str], expected: list[str]
) -> None:
    made = project.deploytokens.create({"name": "gitlab-deploy-token", "scopes": scopes, "username": "puller"})
    answer = asked(installation, f"repository:{project.path_with_namespace}:pull,push", ("puller", made.token))
    if expected:
        assert claims(answer.json()["token"])["access"][0]["actions"] == expected
    else:
        assert answer.status_code == 401


def test_a_deploy_token_named_for_it_reaches_the_jobs(project: Any, runner: Runner) -> None:
    made = project.deploytokens.create({"name": "gitlab-deploy-token", "scopes": ["read_registry"]})
    push(project, "job: {script: [x]}")
    known = {one["key"]: one["value"] for one in taken(runner)["variables"]}
    assert (known["CI_DEPLOY_USER"], known["CI_DEPLOY_PASSWORD"]) == (made.username, made.token)
