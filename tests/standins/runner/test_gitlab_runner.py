"""The lab's stand-in for GitLab Runner, against a server of the tests' own and a docker that runs scripts here."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from gitlab_runner import config, helper, toml
from gitlab_runner.docker import credentials
from gitlab_runner.executor import matches, service_names
from gitlab_runner.logs import RunnerError
from gitlab_runner.masking import Masker
from gitlab_runner.script import with_base, without_login
from gitlab_runner.variables import Variable, Variables

from components.gitlab_runner.gitlab_runner import configuration

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parents[2] / "lab/mirror/gitlab/runner"
_TOKEN = "glrt-abcdefghijklmnop"
_JOB_TOKEN = "glcbt-secret-of-the-job"
_RUNNER = """
[[runners]]
name = "one"
url = "http://gitlab.test"
token = "glrt-abcdefghij"
executor = "docker"
[runners.docker]
image = "debian"
"""


# --- config.toml


def test_unknown_keys_are_told_by_name_all_at_once() -> None:
    text = "metrics = 1\n" + _RUNNER + 'gpus = "all"\nvolumes = ["cache"]\n'
    with pytest.raises(RunnerError) as caught:
        config.parse(text)
    assert "metrics is not supported" in str(caught.value)
    assert "runners[0].docker.gpus is not supported" in str(caught.value)


def test_values_are_checked() -> None:
    text = _RUNNER.replace('"docker"', '"shell"') + 'volumes = ["cache"]\npull_policy = "sometimes"\n'
    with pytest.raises(RunnerError) as caught:
        config.parse(text)
    for expected in ("executor = 'shell'", "volume 'cache'", "pull policy 'sometimes'"):
        assert expected in str(caught.value)


def test_what_register_writes_is_read_again() -> None:
    table = {"concurrent": 2, "runners": [{"name": 'a "b"\n', "docker": {"volumes": ["/c:/d:ro"], "privileged": True}}]}
    assert tomllib.loads(toml.dump(table)) == table


def test_an_environment_entry_without_a_name_does_not_tell_its_value() -> None:
    with pytest.raises(RunnerError) as caught:
        config.parse(_RUNNER.replace("[runners.docker]", 'environment = ["hunter2"]\n[runners.docker]'))
    assert "hunter2" not in str(caught.value)


# --- small parts


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_secrets_are_masked_however_the_output_is_cut(size: int) -> None:
    text = b"a secret, a secret-and-more, sec, secr" + b"et. secre"
    masker = Masker(["secret", "secret-and-more"])
    shown = b"".join(masker.feed(text[i : i + size]) for i in range(0, len(text), size)) + masker.flush()
    assert shown == b"a [MASKED], a [MASKED], sec, [MASKED]. secre"


def test_variables_refer_to_each_other_and_files_are_paths() -> None:
    variables = Variables(
        [
            Variable("A", "old"),
            Variable("B", "${A}-$F-$$-$NONE"),
            Variable("R", "$A", raw=True),
            Variable("F", "content", file=True),
            Variable("LOOP", "x$LOOP"),
            Variable("A", "new"),
        ],
        "/tmp/files",
    )
    assert variables.get("B") == "new-/tmp/files/F-$-"
    assert variables.get("R") == "$A"
    assert variables.get("LOOP") == "x"
    assert {each.key: each.value for each in variables}["F"] == "content"


def test_names_of_services() -> None:
    assert service_names("registry.test:5000/tools/postgres:15") == [
        "registry.test5000__tools__postgres",
        "registry.test5000-tools-postgres",
    ]
    assert service_names("docker@sha256:0123") == ["docker"]


def test_allowed_images() -> None:
    assert matches("registry.test/a/b:1", "registry.test/**")
    assert not matches("registry.test/a/b:1", "registry.test/*")
    assert not matches("evil/registry.test/a", "registry.test/**")


def test_addresses() -> None:
    url = "https://gitlab-ci-token:t@gitlab.test/a/b.git"
    assert without_login(url) == "https://gitlab.test/a/b.git"
    assert with_base(url, "http://10.0.0.1:8080/") == "http://gitlab-ci-token:t@10.0.0.1:8080/a/b.git"


def test_logins_of_the_user_win() -> None:
    assert credentials([{"auths": {"a": 1, "b": 1}}, {"auths": {"b": 2}}]) == {"auths": {"a": 1, "b": 2}}
    with pytest.raises(RunnerError, match="credsStore"):
        credentials([{"credsStore": "desktop"}])


def test_archives_keep_modes_and_links(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "bin/deep").mkdir(parents=True)
    (source / "bin/tool").write_text("x")
    (source / "bin/tool").chmod(0o755)
    (source / "bin/deep/.hidden").write_text("y")
    (source / "bin/link").symlink_to("tool")
    (source / "bin/no.log").write_text("z")
    target.mkdir()
    packed = io.BytesIO()
    helper.pack(helper.select(["bin", "none"], ["**/*.log"], False, source), source, packed)
    helper.unpack(packed, target)
    assert (target / "bin/tool").stat().st_mode & 0o777 == 0o755
    assert (target / "bin/link").readlink() == Path("tool")
    assert (target / "bin/deep/.hidden").read_text() == "y"
    assert not (target / "bin/no.log").exists()


def test_nothing_is_unpacked_outside(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(RunnerError, match="leads out"):
        helper.unpack(packed, tmp_path / "project")


# --- whole jobs


class Server(ThreadingHTTPServer):
    """The runner API as far as a runner needs it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.waiting: list[dict[str, Any]] = []
        self.traces: dict[int, bytes] = {}
        self.ends: dict[int, dict[str, Any]] = {}
        self.artifacts: dict[int, bytes] = {}
        self.cancelled: set[int] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def end(self, job: int) -> dict[str, Any]:
        """The final report on a job."""
        deadline = time.monotonic() + 20
        while job not in self.ends:
            assert time.monotonic() < deadline, f"job {job} has not ended; its log: {self.log(job)}"
            time.sleep(0.05)
        return self.ends[job]

    def log(self, job: int) -> str:
        return self.traces.get(job, b"").decode()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/v4/runners/verify":
            self._answer(200 if json.loads(body)["token"] == _TOKEN else 403)
        elif self.path == "/api/v4/jobs/request":
            if self.server.waiting:
                self._answer(201, json.dumps(self.server.waiting.pop(0)).encode())
            else:
                self._answer(204)
        else:
            assert self.headers["JOB-TOKEN"] == _JOB_TOKEN
            content = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
            self.server.artifacts[int(self.path.split("/")[4])] = content
            self._answer(201, b"{}")

    def do_GET(self) -> None:
        self._answer(200, self.server.artifacts[int(self.path.split("/")[4])])

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        job = int(self.path.split("/")[4])
        start, end = map(int, self.headers["Content-Range"].split("-"))
        assert start == len(self.server.traces.get(job, b"")) and end - start + 1 == len(body)
        self.server.traces[job] = self.server.traces.get(job, b"") + body
        self._answer(202, state="canceled" if job in self.server.cancelled else "running")

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        job = int(self.path.split("/")[4])
        if body["state"] != "running":
            self.server.ends[job] = body
        self._answer(200, state="canceled" if job in self.server.cancelled else "running")

    def _answer(self, status: int, body: bytes = b"", state: str = "") -> None:
        self.send_response(status)
        if state:
            self.send_header("Job-Status", state)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Lab:
    """A server, a runner at work, and what its docker was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.state = folder / "docker"
        self.state.mkdir()
        self.config = folder / "etc/config.toml"
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder / "runner.log"
        repository = folder / "group/project.git"
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(repository)]
        subprocess.run(["git", "init", "--quiet", "-b", "main", str(repository)], check=True)
        (repository / "hello.txt").write_text("hello\n")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
        self.sha = subprocess.run(
            [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
        ).stdout.strip()
        self.repository = repository

    def start(self, more: str = "", docker: str = "") -> None:
        self.configure(more, docker)
        environment = {
            "PATH": f"{_HERE / 'fake_engine'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(_PACKAGE),
            "FAKE_DOCKER": str(self.state),
            "FAKE_PYTHON": sys.executable,
            "HOME": str(self.folder),
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gitlab_runner", "run", "--config", str(self.config)],
                env=environment,
                stderr=output,
            )

    def configure(self, more: str = "", docker: str = "") -> None:
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(
            f'concurrent = 2\ncheck_interval = 1\n[[runners]]\nname = "one"\nurl = "{self.server.url}"\n'
            f'token = "{_TOKEN}"\nexecutor = "docker"\nbuilds_dir = "{self.folder}/builds"\n'
            f'cache_dir = "{self.folder}/cache"\n{more}\n'
            f'[runners.docker]\nimage = "debian"\nhelper_image = "helper"\n{docker}\n'
        )

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)
        self.server.shutdown()
        self.server.server_close()

    def job(self, number: int, *script: str, **more: Any) -> None:
        variables = [
            {"key": "CI_PROJECT_PATH", "value": "group/project"},
            {"key": "PASSWORD", "value": "hunter2-hunter2", "masked": True},
            {"key": "SETTINGS", "value": "line 1\nline '2'", "file": True},
            {"key": "LINES", "value": "one\ntwo"},
            {"key": "GREETING", "value": "hi $CI_PROJECT_PATH"},
        ]
        self.server.waiting.append(
            {
                "id": number,
                "token": _JOB_TOKEN,
                "job_info": {
                    "name": "test",
                    "stage": "test",
                    "project_id": 7,
                    "project_name": "project",
                    # In place of a volume of its own, which the tests' docker does not make.
                    "project_full_path": f"group/project-{number}",
                    "timeout": 60,
                },
                "git_info": {
                    "repo_url": f"file://{self.repository}",
                    "ref": "main",
                    "sha": self.sha,
                    "before_sha": "0" * 40,
                    "ref_type": "branch",
                    "depth": 20,
                },
                "runner_info": {"timeout": 60},
                "steps": [{"name": "script", "script": list(script), "timeout": 60, "when": "on_success"}],
                "image": {"name": "golang:1"},
                **more,
                "variables": variables + more.get("variables", []),
            }
        )

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.state / "calls").read_text().splitlines()]

    def left(self, but: str = "") -> list[str]:
        """What is in the engine, images and `but` aside, once the jobs' ends have been cleaned up."""
        folders = [self.state / kind for kind in ("containers", "volumes", "networks")]
        deadline = time.monotonic() + 5
        while True:
            found = [path.name for folder in folders if folder.exists() for path in folder.iterdir()]
            found = [name for name in found if name != but]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.stop()


def test_a_job_runs_and_nothing_of_it_is_left(lab: Lab) -> None:
    lab.start(more='pre_build_script = "echo before everything"\nenvironment = ["FROM_CONFIG=yes"]')
    lab.job(
        1,
        "cat hello.txt",
        'echo "$GREETING, $LINES, $FROM_CONFIG, $PASSWORD"',
        'cat "$SETTINGS"',
        "cat",  # must not read the script
        f"echo {_JOB_TOKEN}",
        "x=1\necho several lines",
        'echo "x is $x in $(pwd)"',
    )
    assert lab.server.end(1)["state"] == "success"
    log = lab.server.log(1)
    expected = ("hello\n", "hi group/project, one\ntwo, yes, [MASKED]\n", "line 1\nline '2'", "before everything\n")
    for text in (*expected, "$ cat hello.txt", "$ x=1 # collapsed multi-line command", "Job succeeded"):
        assert text in log
    assert f"x is 1 in {lab.folder}/builds/group/project-1\n" in log
    assert "hunter2" not in log and _JOB_TOKEN not in log
    # Nor does a command line have them.
    assert "hunter2" not in str(lab.calls()) and _JOB_TOKEN not in str(lab.calls())
    assert lab.left() == []


def test_a_failing_command_ends_the_job_with_its_status(lab: Lab) -> None:
    lab.start()
    after = {"name": "after_script", "script": ['echo "status $CI_JOB_STATUS"', "false"], "timeout": 60}
    lab.job(1, "false | true", "echo not reached")
    lab.server.waiting[0]["steps"].append(after)
    lab.job(2, "(exit 42)")
    assert lab.server.end(1) | {"info": 0, "output": 0, "checksum": 0} == {
        "token": _JOB_TOKEN,
        "state": "failed",
        "failure_reason": "script_failure",
        "exit_code": 1,
        "info": 0,
        "output": 0,
        "checksum": 0,
    }
    assert "not reached" not in lab.server.log(1).replace("$ echo not reached", "")
    assert "status failed\n" in lab.server.log(1)
    assert "ERROR: Job failed: exit code 1" in lab.server.log(1)
    assert lab.server.end(2)["exit_code"] == 42, lab.server.log(2)
    assert lab.left() == []


def test_artifacts_reach_the_next_job_and_caches_the_next_run(lab: Lab) -> None:
    lab.start()
    cache = [{"key": "deps-$CI_PROJECT_PATH", "paths": ["deps/"]}]
    lab.job(
        1,
        "mkdir -p out deps; echo built >out/app; echo dependency >deps/one",
        artifacts=[{"name": "app", "paths": ["out/"]}],
        cache=cache,
    )
    assert lab.server.end(1)["state"] == "success", lab.server.log(1)
    lab.job(
        2,
        "cat out/app deps/one",
        dependencies=[{"id": 1, "name": "build", "token": _JOB_TOKEN, "artifacts_file": {"filename": "a.zip"}}],
        cache=cache,
    )
    assert lab.server.end(2)["state"] == "success", lab.server.log(2)
    assert "built\ndependency\n" in lab.server.log(2)
    # The volume of the cache outlives the jobs, nothing else does.
    slug = "cache" + re.sub("[^a-zA-Z0-9]", "-", str(lab.folder / "cache"))
    volume = f"runner-abcdefghi-project-7-{slug}".lower()
    assert lab.left(but=volume) == []
    assert (lab.state / "volumes" / volume).exists()


def test_a_cancelled_job_is_ended(lab: Lab) -> None:
    lab.start()
    lab.job(1, "echo started", "sleep 60")
    deadline = time.monotonic() + 20
    while "started\n" not in lab.server.log(1):
        assert time.monotonic() < deadline, lab.server.log(1)
        time.sleep(0.05)
    lab.server.cancelled.add(1)
    assert lab.server.end(1)["state"] == "failed"
    assert lab.left() == []


def test_a_job_that_takes_too_long_is_ended(lab: Lab) -> None:
    lab.start()
    lab.job(1, "sleep 60", runner_info={"timeout": 3})
    assert lab.server.end(1)["failure_reason"] == "job_execution_timeout"


def test_services_get_a_network_and_their_names(lab: Lab) -> None:
    lab.start()
    lab.job(1, "true", services=[{"name": "library/redis:7", "alias": "cache"}])
    assert lab.server.end(1)["state"] == "success", lab.server.log(1)
    (created,) = [call for call in lab.calls() if call[0] == "create" and any("service-0" in word for word in call)]
    aliases = [created[i + 1] for i, word in enumerate(created) if word == "--network-alias"]
    assert aliases == ["library__redis", "library-redis", "cache"]
    assert lab.left() == []


def test_images_that_are_not_allowed_or_not_there_fail_the_job(lab: Lab) -> None:
    lab.start(docker='allowed_images = ["registry.test/**", "missing"]')
    lab.job(1, "true", image={"name": "evil"})
    lab.job(2, "true", image={"name": "missing"})
    assert lab.server.end(1)["failure_reason"] == "runner_system_failure"
    assert '"evil" image is not present on list of allowed images' in lab.server.log(1)
    assert lab.server.end(2)["state"] == "failed"
    assert "manifest for missing not found" in lab.server.log(2)


def test_what_is_not_supported_is_refused_by_name(lab: Lab) -> None:
    lab.start()
    lab.job(1, "true", secrets={"PASSWORD": {"vault": {}}})
    lab.job(2, "true", variables=[{"key": "GIT_CLONE_PATH", "value": "/x"}])
    assert lab.server.end(1)["state"] == "failed"
    assert "`secrets`" in lab.server.log(1)
    assert lab.server.end(2)["state"] == "failed"
    assert "GIT_CLONE_PATH" in lab.server.log(2)


def test_what_a_killed_run_left_is_removed_at_the_next_start(lab: Lab) -> None:
    lab.start()
    lab.job(1, "echo started", "sleep 60")
    deadline = time.monotonic() + 20
    while "started\n" not in lab.server.log(1):
        assert time.monotonic() < deadline, lab.server.log(1)
        time.sleep(0.05)
    assert lab.process
    lab.process.kill()
    lab.process.wait()
    assert lab.left()
    lab.start()
    lab.job(2, "true")
    assert lab.server.end(2)["state"] == "success"
    assert lab.left() == []


def test_a_changed_configuration_is_taken_up_and_a_broken_one_is_not(lab: Lab) -> None:
    lab.start()
    lab.job(1, "true")
    assert lab.server.end(1)["state"] == "success"
    lab.config.write_text("nonsense = 1\n")
    time.sleep(1.5)
    lab.job(2, "true")
    assert lab.server.end(2)["state"] == "success"
    assert "nonsense is not supported" in lab.output.read_text()
    lab.configure(more='pre_build_script = "echo changed"')
    time.sleep(1.5)
    lab.job(3, "true")
    assert lab.server.end(3)["state"] == "success"
    assert "changed\n" in lab.server.log(3)


def test_it_ends_in_order_when_told_to(lab: Lab) -> None:
    lab.start()
    lab.job(1, "echo started", "sleep 2", "echo finished")
    deadline = time.monotonic() + 20
    while "started\n" not in lab.server.log(1):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert lab.process
    lab.process.send_signal(signal.SIGQUIT)
    assert lab.process.wait(timeout=20) == 0
    assert lab.server.end(1)["state"] == "success"


def test_a_registration_is_verified_and_written(lab: Lab) -> None:
    lab.config.parent.mkdir()
    options = ["--url", lab.server.url, "--executor", "docker", "--docker-image", "debian"]
    command = [sys.executable, "-m", "gitlab_runner", "register", "--non-interactive", "--config", str(lab.config)]
    environment = {**os.environ, "PYTHONPATH": str(_PACKAGE)}
    wrong = subprocess.run([*command, *options, "--token", "glrt-wrong"], env=environment, capture_output=True)
    assert wrong.returncode == 1 and not lab.config.exists()
    subprocess.run([*command, *options, "--token", _TOKEN], env=environment, check=True, capture_output=True)
    assert config.load(lab.config).runners[0].token == _TOKEN
    assert lab.config.stat().st_mode & 0o777 == 0o600
    unknown = subprocess.run(
        [*command, *options, "--docker-gpus", "all"], env=environment, capture_output=True, text=True
    )
    assert unknown.returncode == 2 and "--docker-gpus" in unknown.stderr


def test_the_stacks_configuration_is_taken() -> None:
    text = configuration(
        domain="auto-devops.test",
        tokens={"a": "glrt-aaaaaaaaaaaaaaaa", "b": "glrt-bbbbbbbbbbbbbbbb"},
        concurrent=4,
        default_image="debian",
        helper_image=None,
        name_server="10.77.0.11",
    )
    found = config.parse(text)
    assert [runner.name for runner in found.runners] == ["a", "b"]
    assert found.runners[0].docker.dns == ("10.77.0.11",)
