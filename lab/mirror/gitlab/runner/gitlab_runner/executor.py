"""Runs one job with the docker executor: images, a network and services, sources, the job's script, artifacts.

Owns everything that it makes in the engine, and removes it when the job has ended, however it ended.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from . import VERSION, script
from .api import GitLab, certificate_file
from .config import PULL_POLICIES, Runner
from .docker import LABEL, Docker, DockerError, credentials, own_image
from .job import Artifact, Cache, Image, Job
from .logs import RunnerError, error, log
from .trace import BOLD_GREEN, BOLD_RED, BOLD_YELLOW, Trace
from .variables import Variable, Variables

_AFTER_SCRIPT_TIMEOUT = 300
_LONGEST_IN_FILE = 32 * 1024
"""Bytes: the docker command line reads no longer lines from a file of variables. The scripts have all variables."""


class JobFailure(Exception):
    """The job has failed: as a person reads it, as GitLab names it, and the script's status."""

    def __init__(self, message: str, reason: str = "script_failure", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.exit_code = exit_code


class Execution:
    """One run of one job."""

    def __init__(self, runner: Runner, job: Job, server: GitLab, system_id: str, slot: int) -> None:
        """`slot` is a number that no other job of this runner and project has at the same time."""
        self._runner, self._job, self._server, self._slot = runner, job, server, slot
        self._name = f"runner-{runner.short_token}-project-{job.project_id}-concurrent-{slot}-{job.id}".lower()
        project = f"{runner.builds_dir}/{job.project_path}"
        self._places = script.Places(runner.builds_dir, runner.cache_dir, project)
        self._variables = Variables(self._all_variables(), self._places.temporary)
        secrets = [*self._job.secrets, *self._variables.secrets(), runner.token]
        self._trace = Trace(server, job.id, job.token, secrets, runner.output_limit * 1024)
        self._aborted = threading.Event()
        self._deadline = time.monotonic() + job.timeout
        self._folder = Path(tempfile.mkdtemp(prefix=f"job-{job.id}-"))
        self._docker = Docker(runner.docker.host, system_id, self._folder)
        self._containers: list[str] = []
        self._volumes: list[str] = []
        self._network = ""
        self._helper_image = ""

    def abort(self) -> None:
        """End the job as failed: the runner itself is told to stop."""
        self._aborted.set()

    def run(self) -> None:
        """Run the job to its end and report it. Never raises."""
        state, reason, code = "failed", "runner_system_failure", None
        try:
            self._run()
            state, reason = "success", ""
            self._trace.say("Job succeeded", BOLD_GREEN)
        except JobFailure as failure:
            reason, code = failure.reason, failure.exit_code
            self._trace.say(f"ERROR: Job failed: {failure}", BOLD_RED)
        except RunnerError as problem:
            self._trace.say(f"ERROR: Job failed (system failure): {problem}", BOLD_RED)
        except Exception as problem:  # whatever it is: the server must hear that the job has ended
            error(f"job ended with {problem!r}", job=self._job.id)
            self._trace.say(f"ERROR: Job failed (system failure): {problem!r}", BOLD_RED)
        cleaning = threading.Thread(target=self._clean_up, name=f"clean {self._job.id}")
        cleaning.start()
        self._trace.finish(state, reason, code)
        cleaning.join()
        log("Job succeeded" if state == "success" else f"Job failed: {reason}", job=self._job.id)

    def _run(self) -> None:
        runner, trace, name = self._runner, self._trace, self._runner.name or "gitlab-runner"
        trace.say(f"Running with gitlab-runner {VERSION} (lab stand-in)")
        trace.say(f"  on {name} {runner.short_token}")
        image = self._job.image or Image(runner.docker.image)
        shown = self._variables.expand(image.name)
        with trace.section("prepare_executor", 'Preparing the "docker" executor'):
            trace.say(f"Using Docker executor with image {shown} ...")
            self._prepare(image)
        with trace.section("prepare_script", "Preparing environment"):
            trace.say(f"Running on {self._name} via {Path('/etc/hostname').read_text().strip()}...")
        self._before()
        failure: JobFailure | None = None
        try:
            self._steps()
        except JobFailure as problem:
            failure = problem
        if failure is None or failure.reason == "script_failure":
            self._after_script("success" if failure is None else "failed")
        if failure is None or failure.reason in ("script_failure", "job_execution_timeout"):
            self._after(succeeded=failure is None)
        if failure is not None:
            raise failure

    def _prepare(self, image: Image) -> None:
        """Pull the images, start the services, and create the two containers that scripts run in."""
        docker, settings = self._docker, self._runner.docker
        (self._folder / "config.json").write_text(json.dumps(credentials(self._logins())))
        self._write_environment("job.env", self._variables)
        if settings.helper_image:
            # Not at each job: it is as old as the runner.
            self._helper_image = self._pull(settings.helper_image, ("if-not-present",))
        else:
            self._helper_image = own_image(docker)
        builds = f"{self._name}-builds"
        docker.run("volume", "create", *self._labels("builds"), builds)
        self._volumes.append(builds)
        options = [*self._options(), "--volume", f"{builds}:{self._places.builds}"]
        if self._job.services or self._runner.feature_flags.FF_NETWORK_PER_BUILD:
            options += self._make_network()
        for number, service in enumerate(self._job.services):
            self._start_service(service, number, options)
        build_image = self._checked_image(image, settings.allowed_images, settings.image)
        self._create("helper", self._helper_image, options, ["bash"], entrypoint=("",))
        user = image.user or settings.user
        extra = (["--user", user] if user else []) + (["--platform", image.platform] if image.platform else [])
        entrypoint = None if settings.disable_entrypoint_overwrite else image.entrypoint
        command = ["sh", "-c", script.DETECT_SHELL if self._runner.shell != "sh" else "exec sh"]
        self._create("build", build_image, [*options, *extra], command, entrypoint)
        self._wait_for_services(options)

    def _before(self) -> None:
        """Everything that a helper does before the job's own script, in one container."""
        runner, job = self._runner, self._job
        url = script.with_base(job.repo_url, runner.clone_url)
        with self._trace.section("get_sources", "Getting source from Git repository"):
            self._helper(
                script.get_sources(
                    job,
                    self._variables,
                    self._places,
                    url,
                    runner.pre_get_sources_script,
                    runner.post_get_sources_script,
                )
            )
        if commands := script.restore_caches(self._caches(), self._variables, self._places):
            with self._trace.section("restore_cache", "Restoring cache"):
                self._helper(commands)
        if commands := script.download_artifacts(job.dependencies, self._server.url, self._places):
            with self._trace.section("download_artifacts", "Downloading artifacts"):
                self._helper(commands)

    def _steps(self) -> None:
        runner = self._runner
        for step in self._job.steps:
            if step.name == "after_script":
                continue
            name = "step_script" if step.name == "script" else f"step_{step.name}"
            title = f'Executing "{name}" stage of the job script'
            commands = script.build(
                self._job, step.name, runner.pre_build_script, runner.post_build_script, self._places
            )
            with self._trace.section(name, title):
                self._execute("build", commands)

    def _after_script(self, status: str) -> None:
        commands = script.after(self._job, self._places)
        if len(commands) < 2:
            return
        limit = next(step.timeout for step in self._job.steps if step.name == "after_script") or _AFTER_SCRIPT_TIMEOUT
        deadline = min(self._deadline, time.monotonic() + limit)
        with self._trace.section("after_script", "Running after_script"):
            self._trace.say("Running after script...", BOLD_GREEN)
            try:
                self._execute("build", commands, [("CI_JOB_STATUS", status)], deadline)
            except JobFailure as problem:
                if self._trace.cancelled.is_set() or self._aborted.is_set():
                    raise
                self._trace.say(
                    f"WARNING: after_script failed, but job will continue unaffected: {problem}", BOLD_YELLOW
                )

    def _after(self, *, succeeded: bool) -> None:
        """What is kept of the job."""
        # They are saved even where the script has used up the time.
        deadline = time.monotonic() + max(300.0, self._deadline - time.monotonic())

        def wanted(each: Artifact | Cache) -> bool:
            return each.when == "always" or each.when == ("on_success" if succeeded else "on_failure")

        caches = [each for each in self._caches() if wanted(each)]
        if commands := script.save_caches(caches, self._variables, self._places):
            with self._trace.section("archive_cache", "Saving cache for successful job"):
                self._helper(commands, deadline)
        artifacts = [each for each in self._job.artifacts if wanted(each)]
        commands = script.upload_artifacts(self._job, artifacts, self._variables, self._server.url, self._places)
        if commands:
            title = f"Uploading artifacts for {'successful' if succeeded else 'failed'} job"
            with self._trace.section("upload_artifacts_on_" + ("success" if succeeded else "failure"), title):
                self._helper(commands, deadline)

    def _helper(self, commands: Sequence[str], deadline: float | None = None) -> None:
        try:
            self._execute("helper", commands, deadline=deadline)
        except JobFailure as failure:
            if failure.reason == "script_failure":
                # Not the job's own script: GitLab may try such a job again.
                raise JobFailure(str(failure), "runner_system_failure", failure.exit_code) from None
            raise

    def _execute(
        self,
        container: str,
        commands: Sequence[str],
        extra: Sequence[tuple[str, str]] = (),
        deadline: float | None = None,
    ) -> None:
        """Run commands in one of the job's containers; a JobFailure if they fail, take too long or are cancelled."""
        name = f"{self._name}-{container}"
        text = script.whole(self._variables, self._places, commands, extra).encode()
        until = self._deadline if deadline is None else deadline
        self._check_wanted()
        process = self._docker.attach(name)
        assert process.stdin and process.stdout
        stdin, stdout = process.stdin, process.stdout

        def feed() -> None:
            try:
                with stdin:
                    stdin.write(text)
            except BrokenPipeError:
                pass  # the container has ended before it has read all; its status says why

        def show() -> None:
            while data := stdout.read1(65536):  # type: ignore[attr-defined]
                self._trace.write(data)

        threads = [threading.Thread(target=each, daemon=True) for each in (feed, show)]
        for thread in threads:
            thread.start()
        interrupted: JobFailure | None = None
        while process.poll() is None:
            try:
                self._check_wanted()
                if time.monotonic() > until:
                    raise JobFailure(
                        f"execution took longer than {_span(self._job.timeout)} seconds", "job_execution_timeout"
                    )
            except JobFailure as problem:
                interrupted = problem
                self._kill(name)
                process.wait()
                break
            time.sleep(0.02)
        for thread in threads:
            thread.join(timeout=10)
        if interrupted:
            raise interrupted
        if process.returncode:
            self._explain(name, process.returncode)

    def _explain(self, name: str, status: int) -> None:
        """Raise what a container's status means."""
        found = self._docker.inspect("container", name)
        if found is None:
            raise RunnerError(f"container {name} has been removed by someone else")
        state = found["State"]
        if state.get("Error"):
            raise RunnerError(f"container {name}: {state['Error']}")
        if state.get("OOMKilled"):
            self._trace.say("The container has been ended because it ran out of memory.", BOLD_RED)
        raise JobFailure(f"exit code {state.get('ExitCode') or status}", exit_code=state.get("ExitCode") or status)

    def _kill(self, name: str) -> None:
        try:
            self._docker.run("kill", name)
        except DockerError as problem:
            log(f"ending a container failed: {problem}", job=self._job.id)

    def _check_wanted(self) -> None:
        if self._trace.cancelled.is_set():
            raise JobFailure("canceled", "job_canceled")
        if self._aborted.is_set():
            raise JobFailure("the runner was stopped", "runner_system_failure")

    def _pull(self, image: str, policies: Sequence[str]) -> str:
        """Make the engine have an image by the first policy that works; returns its id."""
        problems = []
        for policy in policies:
            if policy != "always" and (found := self._docker.inspect("image", image)):
                return str(found["Id"])
            if policy == "never":
                problems.append(f"never: the engine has no image {image}")
                continue
            self._check_wanted()
            self._trace.say(f"Pulling docker image {image} ...")
            try:
                self._docker.run("pull", "--quiet", image)
            except DockerError as problem:
                self._trace.say(f'WARNING: Failed to pull image with policy "{policy}": {problem}', BOLD_YELLOW)
                problems.append(f"{policy}: {problem}")
                continue
            pulled = self._docker.inspect("image", image)
            if pulled:
                digest = next(iter(pulled.get("RepoDigests") or ()), "")
                self._trace.say(f"Using docker image {pulled['Id']} for {image} with digest {digest} ...")
                return str(pulled["Id"])
            problems.append(f"{policy}: {image} is gone right after it has been pulled")
        raise RunnerError(
            f'failed to pull image "{image}" with specified policies [{" ".join(policies)}]: {"; ".join(problems)}'
        )

    def _checked_image(self, image: Image, allowed: Sequence[str], always_allowed: str) -> str:
        """The id of an image that the configuration allows, pulled as it says."""
        settings = self._runner.docker
        name = self._variables.expand(image.name)
        if name != always_allowed and allowed and not any(matches(name, pattern) for pattern in allowed):
            raise RunnerError(f'the "{name}" image is not present on list of allowed images: {", ".join(allowed)}')
        policies = image.pull_policy or settings.pull_policy
        if unknown := set(policies).difference(PULL_POLICIES):
            raise RunnerError(f"pull policy {sorted(unknown)}: expected {', '.join(PULL_POLICIES)}")
        if image.pull_policy and not set(policies) <= set(settings.allowed_pull_policies or settings.pull_policy):
            raise RunnerError(
                f"pull policy {list(policies)} of the job is not one of the runner's allowed_pull_policies "
                f"{list(settings.allowed_pull_policies or settings.pull_policy)}"
            )
        return self._pull(name, policies)

    def _options(self) -> list[str]:
        """The options that every container of the job is created with."""
        settings = self._runner.docker
        words: list[str] = []
        for flag, values in (
            ("--add-host", settings.extra_hosts),
            ("--dns", settings.dns),
            ("--dns-search", settings.dns_search),
            ("--cap-add", settings.cap_add),
            ("--cap-drop", settings.cap_drop),
            ("--security-opt", settings.security_opt),
            ("--memory", (settings.memory,) if settings.memory else ()),
            ("--cpus", (settings.cpus,) if settings.cpus else ()),
            ("--shm-size", (str(settings.shm_size),) if settings.shm_size else ()),
            ("--network", (settings.network_mode,) if settings.network_mode else ()),
        ):
            for value in values:
                words += [flag, value]
        if settings.privileged:
            words.append("--privileged")
        if settings.oom_kill_disable:
            words.append("--oom-kill-disable")
        volumes = list(settings.volumes)
        mounted = {volume.split(":")[1] if ":" in volume else volume for volume in volumes}
        if not settings.disable_cache and self._job.caches and self._places.cache not in mounted:
            volumes.append(self._places.cache)
        for volume in volumes:
            words += ["--volume", volume if ":" in volume else f"{self._kept_volume(volume)}:{volume}"]
        return words

    def _kept_volume(self, path: str) -> str:
        """The volume that all jobs of this runner and project have at a path."""
        if self._runner.docker.disable_cache:
            name = f"{self._name}-{_slug(path)}"
            self._docker.run("volume", "create", *self._labels("cache"), name)
            self._volumes.append(name)
            return name
        name = f"runner-{self._runner.short_token}-project-{self._job.project_id}-{_slug(path)}".lower()
        self._docker.kept_volume(name)
        return name

    def _make_network(self) -> list[str]:
        settings = self._runner.docker
        if settings.network_mode:
            raise RunnerError(
                f"services need a network of the job's own: leave network_mode ({settings.network_mode}) out"
            )
        self._network = f"{self._name}-network"
        mtu = ["--opt", f"com.docker.network.driver.mtu={settings.network_mtu}"] if settings.network_mtu else []
        self._docker.run("network", "create", *self._labels("network"), *mtu, self._network)
        return ["--network", self._network]

    def _start_service(self, service: Image, number: int, options: Sequence[str]) -> None:
        name = self._variables.expand(service.name)
        self._trace.say(f"Starting service {name}...")
        image = self._checked_image(service, self._runner.docker.allowed_services, "")
        aliases = [*service_names(name), *service.alias.replace(",", " ").split()]
        words = [word for alias in dict.fromkeys(aliases) for word in ("--network-alias", alias)]
        role = f"service-{number}"
        if service.variables:
            own = {each.key: each for each in service.variables}
            merged = [each for each in self._variables if each.key not in own]
            self._write_environment(f"{role}.env", Variables([*merged, *own.values()], self._places.temporary))
        self._create(role, image, [*options, *words], service.command, service.entrypoint, service=True)
        self._docker.run("start", f"{self._name}-{role}")

    def _wait_for_services(self, options: Sequence[str]) -> None:
        """Wait until each service's first port is open; a warning if one does not open it."""
        seconds = self._runner.docker.wait_for_services_timeout
        if not self._job.services or seconds < 0:
            return
        self._trace.say(f"Waiting for services to be up and running (timeout {seconds} seconds)...")
        for number, service in enumerate(self._job.services):
            found = self._docker.inspect("container", f"{self._name}-service-{number}") or {}
            ports = sorted(
                int(port.partition("/")[0])
                for port in (found.get("Config", {}).get("ExposedPorts") or {})
                if port.endswith("/tcp")
            )
            if not ports:
                continue
            alias = service_names(self._variables.expand(service.name))[0]
            probe = f"until (exec 3<>/dev/tcp/{alias}/{ports[0]}) 2>/dev/null; do sleep 0.2; done"
            role = f"wait-{number}"
            command = ["timeout", str(seconds), "bash", "-c", probe]
            self._create(role, self._helper_image, options, command, entrypoint=("",))
            try:
                self._docker.run("start", "--attach", f"{self._name}-{role}")
            except DockerError:
                self._trace.say(
                    f"WARNING: Service {service.name} probably didn't start properly: "
                    f"port {ports[0]} is not open after {seconds} seconds.",
                    BOLD_YELLOW,
                )
                self._trace.say(self._docker.run("logs", "--tail", "20", f"{self._name}-service-{number}"))

    def _create(
        self,
        role: str,
        image: str,
        options: Sequence[str],
        command: Sequence[str],
        entrypoint: Sequence[str] | None = None,
        *,
        service: bool = False,
    ) -> None:
        name = f"{self._name}-{role}"
        words = ["create", "--name", name, *self._labels(role), *options]
        words += [] if service else ["--interactive"]
        own = self._folder / f"{role}.env"
        words += ["--env-file", str(own if own.exists() else self._folder / "job.env")]
        arguments = list(command)
        if entrypoint is not None:
            # The command line takes one word; the others come before the command.
            words += ["--entrypoint", entrypoint[0] if entrypoint else ""]
            arguments = [*entrypoint[1:], *arguments]
        self._containers.append(name)
        self._docker.run(*words, image, *arguments)

    def _write_environment(self, name: str, variables: Variables) -> None:
        """The file that containers get their environment from: no value is on a command line."""
        path = self._folder / name
        path.touch(mode=0o600)
        lines = []
        for each in variables:
            value = variables.path(each) if each.file else each.value
            if "\n" not in value and "\r" not in value and len(value.encode()) < _LONGEST_IN_FILE:
                lines.append(f"{each.key}={value}\n")
        path.write_text("".join(lines))

    def _labels(self, role: str) -> list[str]:
        values = self._variables
        return self._docker.labels(
            {
                f"{LABEL}.type": role,
                f"{LABEL}.runner.id": self._runner.short_token,
                f"{LABEL}.job.id": str(self._job.id),
                f"{LABEL}.project.id": str(self._job.project_id),
                f"{LABEL}.pipeline.id": values.get("CI_PIPELINE_ID"),
            }
        )

    def _caches(self) -> Sequence[Cache]:
        return () if self._runner.docker.disable_cache else self._job.caches

    def _logins(self) -> list[dict[str, object]]:
        """Sources of logins for pulls, the weakest first: the job's, the runner's own, DOCKER_AUTH_CONFIG."""
        auths = {
            each.url: {"auth": base64.b64encode(f"{each.username}:{each.password}".encode()).decode()}
            for each in self._job.credentials
        }
        sources: list[dict[str, object]] = [{"auths": auths}]
        own = Path.home() / ".docker/config.json"
        if own.exists():
            sources.append(json.loads(own.read_text()))
        for each in self._variables:
            if each.key == "DOCKER_AUTH_CONFIG" and each.value:
                try:
                    sources.append(json.loads(each.value))
                except ValueError:
                    raise RunnerError('DOCKER_AUTH_CONFIG is no JSON: expected {"auths": …}') from None
        return sources

    def _all_variables(self) -> list[Variable]:
        """The runner's own, the configuration's, the job's: a later one wins."""
        runner, job = self._runner, self._job
        image = job.image.name if job.image else runner.docker.image
        own = {
            "CI_BUILDS_DIR": self._places.builds,
            "CI_PROJECT_DIR": self._places.project,
            "CI_CONCURRENT_ID": str(self._slot),
            "CI_CONCURRENT_PROJECT_ID": str(self._slot),
            "CI_SERVER": "yes",
            "CI_JOB_STATUS": "running",
            "CI_JOB_TIMEOUT": str(job.timeout),
            "CI_JOB_IMAGE": image,
            "CI_DISPOSABLE_ENVIRONMENT": "true",
            "CI_RUNNER_SHORT_TOKEN": runner.short_token,
            "CI_RUNNER_VERSION": VERSION,
            "CI_RUNNER_REVISION": "standin",
            "CI_RUNNER_EXECUTABLE_ARCH": "linux/amd64",
            "RUNNER_TEMP_PROJECT_DIR": self._places.temporary,
        }
        found = [Variable(key, value, raw=key != "CI_JOB_IMAGE") for key, value in own.items()]
        if certificate := certificate_file(runner.url, runner.tls_ca_file):
            try:
                found.append(Variable("CI_SERVER_TLS_CA_FILE", certificate.read_text(), file=True, raw=True))
            except OSError as problem:
                raise RunnerError(f"tls-ca-file: {problem}") from None
        for pair in runner.environment:
            key, _, value = pair.partition("=")
            found.append(Variable(key, value))
        found += job.variables
        if any(each.key == "GIT_CLONE_PATH" and each.value for each in job.variables):
            raise RunnerError("GIT_CLONE_PATH is not supported by this stand-in of GitLab Runner")
        # Where the project is only the runner knows.
        return [*found, Variable("CI_PROJECT_DIR", self._places.project, raw=True)]

    def _clean_up(self) -> None:
        networks = [self._network] if self._network else []
        try:
            for problem in self._docker.remove(self._containers, self._volumes, networks):
                error(f"cleaning up failed: {problem}", job=self._job.id)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


def service_names(image: str) -> list[str]:
    """The names a service is reached by: those that GitLab derives from its image."""
    name = re.sub(r":[^/:]*$", "", image.partition("@")[0]).replace(":", "")
    return list(dict.fromkeys([name.replace("/", "__"), name.replace("/", "-")]))


def matches(image: str, pattern: str) -> bool:
    """Whether an image fits a pattern of allowed_images: `*` within a part of the path, `**` across."""
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    wild = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(wild.get(part, re.escape(part)) for part in parts), image) is not None


def _slug(path: str) -> str:
    return "cache" + re.sub(r"[^a-zA-Z0-9]+", "-", path.rstrip("/"))


def _span(seconds: int) -> str:
    return f"{seconds // 3600}h{seconds // 60 % 60}m{seconds % 60}"
