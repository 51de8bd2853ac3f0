"""Agents for Kubernetes: the API, what jobs get, and requests that go through KAS and the lab's agent to a cluster."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gitlab
import pytest
import requests
import yaml

from lab import paths
from tests.standins.gitlab.installation import Installation, Runner, free_port, variables
from tests.standins.gitlab.test_pipelines import pipeline_of, push, taken

AGENTK = paths.STANDINS / "gitlab/agentk"
K8S_PROXY = "/-/kubernetes-agent/k8s-proxy"
DEPLOY = "deploy:\n  script: [kubectl get pods]\n"


class FakeCluster(http.server.ThreadingHTTPServer):
    """An API server that says how it was asked; /watch sends a line, and the next one when it is let go on."""

    def __init__(self, folder: Path, certificate: Path, key: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.go_on = threading.Event()
        self.watch_ended = threading.Event()
        self.account = folder
        (folder / "token").write_text("of-the-pod\n")
        (folder / "ca.crt").write_bytes(certificate.read_bytes())
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeCluster

    def do_GET(self) -> None:
        if self.path.startswith("/watch"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._chunk(b"first\n")
            try:
                while not self.server.go_on.wait(0.1):
                    # Nothing, in a form that is noticed where nobody listens.
                    self._chunk(b"\n")
                self._chunk(b"second\n")
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True
                self.server.watch_ended.set()
            return
        self._echo(b"")

    def do_POST(self) -> None:
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._echo(body)

    def _echo(self, body: bytes) -> None:
        seen = {"path": self.path, "method": self.command, "headers": dict(self.headers), "length": len(body)}
        text = json.dumps(seen).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _chunk(self, text: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def log_message(self, *_: Any) -> None:
        pass


class Agentk:
    """The lab's agent as a process."""

    def __init__(self, program: Path, installation: Installation, cluster: FakeCluster, token: str, log: Path) -> None:
        self.log = log
        file = log.with_suffix(".token")
        file.write_text(token + "\n")
        host, port = cluster.server_address[:2]
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [str(program), f"--token-file={file}", f"--kas-ca-cert-file={installation.ca}"]
                + [f"--kas-address=wss://localhost:{installation.port}/-/kubernetes-agent/"]
                + [f"--observability-listen-address=127.0.0.1:{free_port()}", f"--service-account={cluster.account}"],
                env={"KUBERNETES_SERVICE_HOST": str(host), "KUBERNETES_SERVICE_PORT": str(port)},
                stdout=out,
                stderr=out,
            )

    def says(self, text: str, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.log.read_text():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agentk")
    subprocess.run([AGENTK / "build.sh", folder], check=True)
    return folder / "agentk"


@pytest.fixture
def cluster(installation: Installation, tmp_path: Path) -> Iterator[FakeCluster]:
    folder = tmp_path / "account"
    folder.mkdir()
    ssl_folder = installation.root / "etc/gitlab/ssl"
    found = FakeCluster(folder, ssl_folder / "localhost.crt", ssl_folder / "localhost.key")
    yield found
    found.go_on.set()
    found.shutdown()


def register(project: Any, name: str = "cluster") -> tuple[Any, str]:
    """An agent of a project's, and a token of its own."""
    agent = project.cluster_agents.create({"name": name})
    path = f"/projects/{project.id}/cluster_agents/{agent.id}/tokens"
    return agent, str(project.manager.gitlab.http_post(path, post_data={"name": "one"})["token"])


@pytest.fixture
def agent(
    program: Path, installation: Installation, cluster: FakeCluster, project: Any, tmp_path: Path
) -> Iterator[Any]:
    """An agent of the project's that is connected."""
    found, token = register(project)
    process = Agentk(program, installation, cluster, token, tmp_path / "agentk.log")
    process.says("connected to")
    yield found
    process.stop()


def job_of(project: Any, runner: Runner, text: str = DEPLOY, branch: str = "main", **files: str) -> dict[str, Any]:
    """A running job of a new commit."""
    pipeline_of(project, push(project, text, branch, **files))
    return taken(runner)


def ask(
    installation: Installation, agent: Any, job: dict[str, Any], path: str, method: str = "GET", **more: Any
) -> requests.Response:
    return requests.request(
        method,
        f"{installation.url}{K8S_PROXY}{path}",
        headers={"Authorization": f"Bearer ci:{agent.id}:{job['token']}"},
        verify=str(installation.ca),
        timeout=30,
        **more,
    )


def test_agents_are_registered_with_their_project(client: gitlab.Gitlab, project: Any) -> None:
    agent, token = register(project)
    assert token.startswith("glagent-")
    assert agent.config_project["path_with_namespace"] == project.path_with_namespace
    assert [one.name for one in project.cluster_agents.list()] == ["cluster"]
    for name in ("cluster", "Cluster", "-a", "a" * 64):
        with pytest.raises(gitlab.GitlabCreateError) as refused:
            project.cluster_agents.create({"name": name})
        assert refused.value.response_code == 400
    base = f"/projects/{project.id}/cluster_agents/{agent.id}/tokens"
    second: Any = client.http_post(base, post_data={"name": "two", "description": "x"})
    assert "token" in second and second["last_used_at"] is None
    with pytest.raises(gitlab.GitlabHttpError, match="only two active tokens"):
        client.http_post(base, post_data={"name": "three"})
    assert "token" not in client.http_get(f"{base}/{second['id']}")
    client.http_delete(f"{base}/{second['id']}")
    with pytest.raises(gitlab.GitlabHttpError) as gone:
        client.http_get(f"{base}/{second['id']}")
    assert gone.value.response_code == 404
    project.cluster_agents.delete(agent.id)
    assert project.cluster_agents.list() == []


def test_a_job_gets_a_context_for_each_agent(installation: Installation, project: Any, runner: Runner) -> None:
    agent, _ = register(project)
    # Rules know it already when the pipeline is made.
    job = job_of(project, runner, DEPLOY + "  rules: [{if: $KUBECONFIG}]\n")
    found = next(one for one in job["variables"] if one["key"] == "KUBECONFIG")
    assert found["file"] and not found["public"]
    assert yaml.safe_load(found["value"]) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "gitlab", "cluster": {"server": f"{installation.url}{K8S_PROXY}/"}}],
        "users": [{"name": f"agent:{agent.id}", "user": {"token": f"ci:{agent.id}:{job['token']}"}}],
        "contexts": [
            {
                "name": f"{project.path_with_namespace}:cluster",
                "context": {"cluster": "gitlab", "user": f"agent:{agent.id}"},
            }
        ],
    }


def test_a_variable_of_the_projects_wins(project: Any, runner: Runner) -> None:
    register(project)
    project.variables.create({"key": "KUBECONFIG", "value": "mine", "variable_type": "file"})
    assert variables(job_of(project, runner))["KUBECONFIG"] == "mine"


def test_the_agents_file_says_which_jobs(project: Any, runner: Runner) -> None:
    register(project)
    entry = {"id": project.path_with_namespace, "protected_branches_only": True, "default_namespace": "team-hello"}
    file = {".gitlab/agents/cluster/config.yaml": yaml.safe_dump({"ci_access": {"projects": [entry]}})}
    job = job_of(project, runner, **file)
    context = yaml.safe_load(variables(job)["KUBECONFIG"])["contexts"][0]["context"]
    assert context["namespace"] == "team-hello"
    runner.end(job)
    assert "KUBECONFIG" not in variables(job_of(project, runner, branch="feature"))


def test_an_agents_file_that_cannot_be_honoured_fails_the_pipeline(project: Any) -> None:
    register(project)
    file = {".gitlab/agents/cluster/config.yaml": "ci_access: {instance: {}}\nflux: {}\n"}
    pipeline = pipeline_of(project, push(project, DEPLOY, **file))
    assert pipeline.status == "failed"
    assert "not supported by the lab's GitLab: ci_access.instance, flux" in pipeline.yaml_errors


def test_a_request_goes_to_the_cluster_and_back(
    installation: Installation, agent: Any, project: Any, runner: Runner
) -> None:
    job = job_of(project, runner)
    answer = ask(installation, agent, job, "/api/v1/namespaces/a%2Fb/pods?limit=2&x=%20")
    assert answer.status_code == 200
    seen = answer.json()
    assert seen["path"] == "/api/v1/namespaces/a%2Fb/pods?limit=2&x=%20"
    # The pod's account asks the cluster, and the job's token stays in GitLab.
    assert seen["headers"]["Authorization"] == "Bearer of-the-pod"
    assert job["token"] not in answer.text
    assert ask(installation, agent, job, "/missing").status_code == 404
    big = b"x" * 3_000_000
    assert ask(installation, agent, job, "/apply", "POST", data=big).json()["length"] == len(big)
    pieces = ask(installation, agent, job, "/apply", "POST", data=iter([b"a" * 100_000] * 3))
    assert pieces.json()["length"] == 300_000
    assert ask(installation, agent, job, "/head", "HEAD").status_code == 501  # the fake cluster's own answer


def test_many_requests_at_once(installation: Installation, agent: Any, project: Any, runner: Runner) -> None:
    job = job_of(project, runner)
    with ThreadPoolExecutor(12) as several:
        found = list(several.map(lambda n: ask(installation, agent, job, f"/{n}").json()["path"], range(60)))
    assert found == [f"/{n}" for n in range(60)]


def test_what_is_watched_comes_when_it_happens(
    installation: Installation, cluster: FakeCluster, agent: Any, project: Any, runner: Runner
) -> None:
    job = job_of(project, runner)
    with ask(installation, agent, job, "/watch", stream=True) as answer:
        lines = (line for line in answer.iter_lines() if line)
        assert next(lines) == b"first"
        # Others are not held up by it.
        assert ask(installation, agent, job, "/beside").status_code == 200
        cluster.go_on.set()
        assert next(lines) == b"second"


def test_who_goes_away_ends_the_request(
    installation: Installation, cluster: FakeCluster, agent: Any, project: Any, runner: Runner
) -> None:
    job = job_of(project, runner)
    with ask(installation, agent, job, "/watch", stream=True) as answer:
        next(answer.iter_lines())
    assert cluster.watch_ended.wait(10)
    assert ask(installation, agent, job, "/after").status_code == 200


def test_only_a_running_job_that_may_use_the_agent_is_let_through(
    installation: Installation, client: gitlab.Gitlab, agent: Any, project: Any, runner: Runner
) -> None:
    group = client.groups.create({"name": f"other {agent.id}", "path": f"other-{agent.id}"})
    other = client.projects.create({"name": "other", "namespace_id": group.id, "auto_devops_enabled": False})
    assert client.user is not None
    made = client.user.runners.create({"runner_type": "project_type", "project_id": other.id})
    foreign = job_of(other, Runner(installation, made.token))
    refused = ask(installation, agent, foreign, "/api")
    assert (refused.status_code, refused.json()["reason"]) == (403, "Forbidden")
    for token in (foreign["token"] + "x", "", client.private_token):
        assert ask(installation, agent, {"token": token}, "/api").status_code == 401
    assert installation.get(f"{K8S_PROXY}/api").status_code == 401
    job = job_of(project, runner)
    assert ask(installation, agent, job, "/api").status_code == 200
    runner.end(job)
    assert ask(installation, agent, job, "/api").status_code == 401


def test_an_agent_with_a_wrong_token_is_not_connected(
    program: Path, installation: Installation, cluster: FakeCluster, tmp_path: Path
) -> None:
    process = Agentk(program, installation, cluster, "glagent-wrong", tmp_path / "agentk.log")
    process.says("does not know the agent's token (401)")
    process.stop()


def test_a_revoked_token_ends_the_connection(
    installation: Installation, client: gitlab.Gitlab, agent: Any, project: Any, runner: Runner
) -> None:
    job = job_of(project, runner)
    assert ask(installation, agent, job, "/api").status_code == 200
    base = f"/projects/{project.id}/cluster_agents/{agent.id}/tokens"
    listed: Any = client.http_list(base)
    client.http_delete(f"{base}/{next(iter(listed))['id']}")
    refused = ask(installation, agent, job, "/api")
    assert refused.status_code == 503 and "is not connected" in refused.json()["message"]


def test_without_kas_there_is_neither_endpoint_nor_context(prepared: None, tmp_path: Path) -> None:
    found = Installation(tmp_path, "gitlab_kas['enable'] = false\n")
    found.start()
    try:
        token = found.make_token("tests", "glpat-root-for-the-tests-2", "api")
        client = found.client(token)
        client.auth()
        assert client.user is not None
        project = client.projects.create({"name": "hello", "auto_devops_enabled": False})
        register(project)
        made = client.user.runners.create({"runner_type": "project_type", "project_id": project.id})
        assert "KUBECONFIG" not in variables(job_of(project, Runner(found, made.token)))
        assert found.get(f"{K8S_PROXY}/api").status_code == 404
    finally:
        found.stop()
