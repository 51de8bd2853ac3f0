"""A push becomes an answer: what people see and do, and what a job may not."""

from __future__ import annotations

import json
import secrets

import gitlab
import pytest

from tests.lab.driver import DOMAIN, Lab, eventually
from tests.lab.people import FINISHED, GITLAB, PING, Person, answers, api, pipeline, trace

pytestmark = pytest.mark.state("up")
PROJECTS = ("demo/custom", "demo/auto")


def url(project: str) -> str:
    return f"http://{project.replace('/', '-')}.k8s.{DOMAIN}"


def ping(lab: Lab, project: str) -> str:
    return lab.on("workstation", f"curl -sS --max-time 5 {url(project)}/ping").output


def test_two_changes_pushed_at_once_both_arrive(lab: Lab, dev: Person) -> None:
    """One by HTTPS and one by SSH; the images are not mixed up."""
    directories = {project: dev.clones(project, ssh=project == "demo/auto") for project in PROJECTS}
    said = {project: f"{project.replace('/', ' ')} {secrets.token_hex(3)}" for project in PROJECTS}
    commits = {
        project: dev.pushes(directory, PING.format(answer=said[project]), "Another answer")
        for project, directory in directories.items()
    }
    for project, sha in commits.items():
        assert pipeline(lab, project, sha).status == "success"
    for project, answer in said.items():
        answers(lab, project, answer)
    image = "kubectl get deployments -A -o jsonpath='{range .items[*]}{.metadata.namespace} {..image}{\"\\n\"}{end}'"
    images = dict(line.split() for line in lab.workstation(image).splitlines() if line.startswith("demo-"))
    assert images["demo-custom"].endswith(f"demo/custom:{commits['demo/custom']}")
    assert commits["demo/auto"] in images["demo-auto"]


@pytest.mark.parametrize("project", ["demo/custom", pytest.param("demo/auto", marks=pytest.mark.full)])
def test_a_failing_test_stops_it_and_the_old_answer_stays(lab: Lab, dev: Person, project: str) -> None:
    eventually(f"an answer of {project}", lambda: '"message"' in ping(lab, project), 120)
    before = ping(lab, project)
    directory = dev.clones(project)
    sha = dev.pushes(directory, 'sed -i \'s/"world"/"nobody"/\' router.go', "An answer that the test does not expect")
    failed = pipeline(lab, project, sha)
    assert failed.status == "failed"
    jobs = {job.name: job for job in failed.jobs.list(get_all=True)}
    test = jobs.get("test") or jobs["golang_test"]
    assert test.status == "failed"
    assert "--- FAIL: TestRouter" in trace(lab, project, test.id)
    deploy = jobs.get("deploy") or jobs["production"]
    assert deploy.status in ("skipped", "created")
    assert ping(lab, project) == before
    dev.pushes(directory, "git revert --no-commit HEAD", "Back")


def test_up_again_changes_nothing_and_reverts_nobody(lab: Lab, dev: Person) -> None:
    head = api(lab).projects.get("demo/custom").commits.list(get_all=False)[0].id
    changes = lab.up().succeeded().changes
    assert set(changes) == {"unchanged"}, changes
    assert api(lab).projects.get("demo/custom").commits.list(get_all=False)[0].id == head


def test_the_deployer_reaches_its_own_namespace_only(lab: Lab) -> None:
    variables = {v.key: v for v in api(lab).projects.get("demo/custom").variables.list(get_all=True)}
    kubeconfig = variables["KUBECONFIG"]
    assert kubeconfig.variable_type == "file"
    assert kubeconfig.protected, "jobs of unprotected branches would get it"
    lab.workstation(f"umask 077; cat >/tmp/deployer <<'EOF'\n{kubeconfig.value}\nEOF")
    try:
        may = "kubectl --kubeconfig /tmp/deployer auth can-i --quiet"
        lab.workstation(f"{may} create deployments -n demo-custom")
        lab.workstation(f"{may} create secrets -n demo-custom")
        for refused in (
            "get secrets -n demo-auto",
            "get secrets -n auto-devops",
            "get secrets -A",
            "get nodes",
            "create namespaces",
            "create rolebindings -n demo-custom",
            "create clusterroles",
        ):
            lab.on("workstation", f"{may} {refused}").failed()
        told = lab.on("workstation", "kubectl --kubeconfig /tmp/deployer get secrets -n demo-auto").failed()
        assert "forbidden" in told.output
        # A pod with the node's disk would be root of the cluster.
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "escape", "namespace": "demo-custom"},
            "spec": {
                "containers": [{"name": "escape", "image": "escape"}],
                "volumes": [{"name": "node", "hostPath": {"path": "/"}}],
            },
        }
        apply = "kubectl --kubeconfig /tmp/deployer apply -f -"
        told = lab.on("workstation", f"{apply} <<'EOF'\n{json.dumps(pod)}\nEOF").failed()
        assert "violates PodSecurity" in told.output
    finally:
        lab.workstation("rm /tmp/deployer; kubectl delete pod escape -n demo-custom --ignore-not-found")


@pytest.mark.full
def test_what_a_job_has_administers_nothing(lab: Lab, dev: Person) -> None:
    """Asked from a job: its token, and the client certificate, which opens the shared engine alone."""
    directory = dev.clones("demo/custom")
    asks = " ".join(("users?per_page=1", "runners/all", "application/settings", "projects/demo%2Fauto/variables"))
    asked = 'curl -sS -o /dev/null -w "%{http_code}" -H "JOB-TOKEN: $CI_JOB_TOKEN" "$CI_API_V4_URL'
    # With TLS 1.2 a client hears of its refusal for sure: it is part of the handshake there.
    engine = "curl -sS -o /dev/null -w '%{http_code}' --max-time 20 --tls-max 1.2"
    options = {"--cacert": "ca", "--cert": "cert", "--key": "key"}
    certificate = " ".join(f"{option} $DOCKER_CERT_PATH/{file}.pem" for option, file in options.items())
    job = f"""look:
  image: $IMAGE_KUBERNETES
  script:
    - |
      for path in {asks} job; do echo "$path $({asked}/$path")"; done
      for name in docker gitlab; do
        echo "engine of $name $({engine} {certificate} "https://$name.{DOMAIN}:2376/version" || true)"
      done
      echo "kubeconfig ${{KUBECONFIG:+given}}."
"""
    lab.workstation(f"cd {directory} && git checkout -qb look && cat >.gitlab-ci.yml <<'EOF'\n{job}EOF")
    lab.workstation(f"cd {directory} && git commit -qam 'Look around' && git push -q --force origin look")
    sha = lab.workstation(f"git -C {directory} rev-parse HEAD").strip()
    done = pipeline(lab, "demo/custom", sha)
    (job_,) = done.jobs.list(get_all=True)
    log = trace(lab, "demo/custom", job_.id)
    assert done.status == "success", log
    assert "job 200" in log
    for path in asks.split():
        assert any(f"{path} {code}" in log for code in (401, 403, 404)), log
    assert "engine of docker 200" in log, log
    assert "engine of gitlab 000" in log and "alert" in log, log
    # The branch is not protected: what only the deployment may have is not given to it.
    assert "kubeconfig ." in log, log
    api(lab).projects.get("demo/custom").branches.delete("look")


def test_gitlabs_registry_takes_a_push_and_serves_a_pull(lab: Lab, dev: Person) -> None:
    registry = f"{GITLAB}:4567"
    name = f"{registry}/demo/custom/by-hand:1"
    base = lab.workstation("docker image ls -q | tail -n 1").strip()
    lab.workstation(f"printf '{dev.token}' | docker login -u {dev.name} --password-stdin {registry}")
    lab.workstation(f"docker tag {base} {name} && docker push -q {name} && docker image rm {name}")
    lab.workstation(f"docker pull -q {name} && docker image rm {name}")
    lab.workstation(f"docker logout {registry}")
    denied = lab.on("workstation", f"docker pull -q {name}").failed()
    assert "denied" in denied.output or "unauthorized" in denied.output


@pytest.mark.parametrize("ssh", [False, pytest.param(True, marks=pytest.mark.full)], ids=["https", "ssh"])
def test_large_files_go_to_lfs_and_come_back(lab: Lab, dev: Person, ssh: bool) -> None:
    directory = dev.clones("demo/custom", ssh=ssh)
    large = "head -c 3000000 /dev/urandom >model.bin"
    track = "git lfs install --local && git lfs track '*.bin' && git add .gitattributes"
    lab.workstation(f"cd {directory} && git checkout -qb large && {track} && {large} && git add model.bin")
    lab.workstation(f"cd {directory} && git commit -qm '[skip ci] A large file' && git push -q --force origin large")
    pushed = lab.workstation(f"sha256sum <{directory}/model.bin")
    assert lab.workstation(f"git -C {directory} cat-file blob HEAD:model.bin").startswith("version https://git-lfs")
    again = dev.clones("demo/custom", ssh=ssh)
    lab.workstation(f"cd {again} && git lfs install --local && git checkout -q large && git lfs pull")
    assert lab.workstation(f"sha256sum <{again}/model.bin") == pushed
    api(lab).projects.get("demo/custom").branches.delete("large")


def test_nobody_pushes_to_the_default_branch_by_force(lab: Lab, dev: Person) -> None:
    directory = dev.clones("demo/custom")
    refused = lab.on(
        "workstation", f"cd {directory} && git commit -q --amend -m Rewritten && git push -q --force"
    ).failed()
    assert "protected" in refused.output or "not allowed to force push" in refused.output


@pytest.mark.full
def test_gitlab_replaced_keeps_everything(lab: Lab, dev: Person) -> None:
    before = lab.on("gitlab", "docker inspect --format '{{.Id}}' gitlab").succeeded().output
    custom = api(lab).projects.get("demo/custom")

    def pipelines() -> list[tuple[int, str]]:
        return [(found.id, found.status) for found in custom.pipelines.list(get_all=True)]

    # One that is under way would go on, or fail, while GitLab is replaced.
    eventually("the end of earlier pipelines", lambda: all(status in FINISHED for _, status in pipelines()), 300)
    kept = pipelines()
    answer = f"after it, {secrets.token_hex(3)}"
    with lab.changed({"gitlab.memory": "constrained"}):
        assert lab.up().succeeded().changes.get("replace", 0) >= 1
        assert lab.on("gitlab", "docker inspect --format '{{.Id}}' gitlab").succeeded().output != before
        found = api(lab).projects.get("demo/custom")
        assert pipelines() == kept
        assert api(lab, dev.token).projects.get("demo/custom").id == found.id, "the person's token"
        directory = dev.clones("demo/custom")
        sha = dev.pushes(directory, PING.format(answer=answer), "After it")
        assert pipeline(lab, "demo/custom", sha).status == "success"
        answers(lab, "demo/custom", answer)


def test_ssh_to_the_machine_goes_by_its_own_port(lab: Lab) -> None:
    """Port 22 is git's; the machine's sshd answers on 2222 with the key that was pinned before."""
    assert "2222" in lab.on("gitlab", "ss -Hlntp | grep sshd").succeeded().output
    assert lab.workstation(f"ssh-keyscan -t ed25519 -p 2222 {GITLAB} 2>/dev/null").count("ssh-ed25519") == 1


@pytest.mark.full
def test_a_backup_is_restored(lab: Lab, dev: Person) -> None:
    made = lab.on("gitlab", "auto-devops-gitlab-backup").succeeded().output
    directory = next(line for line in made.splitlines() if line.startswith("the backup is in ")).split()[4].rstrip(";")
    found = api(lab).projects.get("demo/custom")
    head = found.commits.list(get_all=False)[0].id
    dev.pushes(dev.clones("demo/custom"), "echo later >>README.md", "[skip ci] After the backup")
    assert found.commits.list(get_all=False)[0].id != head
    lab.on("gitlab", f"auto-devops-gitlab-restore {directory}").succeeded()
    with lab.changed({"repair": "after the restore"}):
        lab.up().succeeded()
        eventually(
            "the commit before", lambda: api(lab).projects.get("demo/custom").commits.list(get_all=False)[0].id == head
        )
    lab.on("gitlab", f"rm -r {directory}").succeeded()


@pytest.mark.full
def test_a_project_taken_out_is_gone_and_the_other_stays(lab: Lab, dev: Person) -> None:
    projects = json.loads(lab.pulumi("config", "get", "auto-devops:projects").succeeded().output)
    answer, answer_of_auto = ping(lab, "demo/custom"), ping(lab, "demo/auto")
    runners = len(api(lab).runners_all.list(get_all=True))
    with lab.restored({"projects[1]": None} | {f"projects[1].{key}": value for key, value in projects[1].items()}):
        lab.config("projects[1]", None)
        refused = lab.up().failed()
        assert "no demo/auto any more" in refused.output
        assert ping(lab, "demo/auto") == answer_of_auto
        for key, value in (projects[1] | {"keepRepository": False}).items():
            lab.config(f"projects[1].{key}", value)
        lab.up().succeeded()
        lab.config("projects[1]", None)
        lab.up().succeeded()
        with pytest.raises(gitlab.exceptions.GitlabGetError) as gone:
            api(lab).projects.get("demo/auto")
        assert gone.value.response_code == 404
        assert len(api(lab).runners_all.list(get_all=True)) == runners - 1
        assert lab.on("gitlab", "grep -c '^ *token' /srv/gitlab-runner/config.toml").output.strip() == "1"
        lab.on("workstation", "kubectl get namespace demo-auto").failed()
        assert ping(lab, "demo/custom") == answer
        assert ping(lab, "demo/auto").startswith("default backend - 404")
        assert set(lab.up().succeeded().changes) == {"unchanged"}
    # Its first commit again: a new project, as at the first time.
    eventually("the first answer", lambda: ping(lab, "demo/auto") == '{"message":"pong"}', 600)
