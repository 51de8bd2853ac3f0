"""Commands inside the container, and that data outlive it."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gitlab
import pytest

from components.gitlab_server.gitlab_server import SCRIPTS
from tests.standins.gitlab.installation import Installation, Runner
from tests.standins.gitlab.test_pipelines import pipeline_of, push, taken

DATABASE = "var/opt/gitlab/postgresql/data/gitlabhq_production.sqlite3"
FIRST, SECOND = "glpat-first-0123456789abc", "glpat-second-0123456789ab"


@pytest.fixture(scope="module")
def own(prepared: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that these tests stop and start."""
    found = Installation(tmp_path_factory.mktemp("own"))
    found.start()
    yield found
    found.stop()


def ruby(installation: Installation, program: str) -> str:
    done = installation.command("gitlab-rails", "runner", "-", stdin=program)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tokens_without_a_browser(own: Installation, tmp_path: Path) -> None:
    own.make_token("stack", FIRST, "api")
    own.make_token("stack", SECOND, "api", "write_repository")
    own.make_token("other", "glpat-other-0123456789abc", "read_api")
    program = tmp_path / "revoke.rb"
    program.write_text(
        f"""
        user = User.find_by_username('root')
        current = PersonalAccessToken.find_by_token('{SECOND}')
        user.personal_access_tokens.active
          .where(name: 'stack').where.not(id: current.id).each(&:revoke!)  # the older ones
        puts current.name
        """
    )
    done = own.command("gitlab-rails", "runner", str(program))
    assert (done.returncode, done.stdout) == (0, "stack\n"), done.stderr
    with pytest.raises(gitlab.GitlabAuthenticationError, match="invalid_token"):
        own.client(FIRST).auth()
    found = {token.name: token for token in own.client(SECOND).personal_access_tokens.list(state="active")}
    assert set(found) == {"stack", "other"}
    assert found["stack"].scopes == ["api", "write_repository"]
    assert ruby(own, "puts User.find_by(username: 'root').personal_access_tokens.active.count") == "2\n"


def test_the_stacks_own_programs_know_the_administrator_by_any_name(own: Installation) -> None:
    """As the stack's scripts run them."""
    values = {"@TOKEN@": "glpat-own-0123456789abcde", "@EXPIRES@": str(datetime.now(UTC).date() + timedelta(days=90))}

    def run(name: str, **more: str) -> subprocess.CompletedProcess[str]:
        text = (SCRIPTS / name).read_text()
        for key, value in (values | more).items():
            text = text.replace(key, value)
        return own.command("gitlab-rails", "runner", "-", stdin=text)

    def rename(before: str, after: str) -> None:
        # The lab's API renames nobody.
        with closing(sqlite3.connect(own.root / DATABASE)) as database, database:
            database.execute("update users set username = ? where username = ?", (after, before))

    rename("root", "boss")
    try:
        assert run("token.rb", **{"@KEPT@": "none"}).returncode == 0
        newer = {"@TOKEN@": "glpat-own-new-0123456789abc", "@KEPT@": values["@TOKEN@"]}
        assert run("token.rb", **newer).returncode == 0
        assert run("revoke.rb", **newer).returncode == 0
        client = own.client(newer["@TOKEN@"])
        client.auth()
        assert client.user and client.user.username == "boss"
        with pytest.raises(gitlab.GitlabAuthenticationError):
            own.client(values["@TOKEN@"]).auth()
        assert run("revoke-all.rb", **newer).returncode == 0
        with pytest.raises(gitlab.GitlabAuthenticationError):
            client.auth()
        lost = run("revoke.rb", **{"@TOKEN@": "glpat-nobody-knows-this-one"})
        assert lost.returncode == 1 and "does not know the access token" in lost.stderr
    finally:
        rename("boss", "root")


def test_no_background_migration_is_left(own: Installation) -> None:
    assert ruby(own, "puts Gitlab::Database::BackgroundMigration::BatchedMigration.queued.count") == "0\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("User.find_by_username('root').destroy!", "line 1: destroy! of User is not supported"),
        ("system('id')", "line 1"),
        ("x = 1\ny = `id`", "line 2"),
        ("user = User.find_by_username('nobody')\nuser.personal_access_tokens", "line 2: undefined method"),
        ("if true\n  puts 1\nend", "line 1"),
        ("User.find_by_username('root').personal_access_tokens.create(name: 'x', scopes: ['all'])", "unknown: all"),
        (
            "User.find_by_username('root').personal_access_tokens.create(name: 'x', scopes: ['api'], admin: true)",
            "admin is not",
        ),
    ],
)
def test_other_ruby_is_refused(own: Installation, program: str, said: str) -> None:
    done = own.command("gitlab-rails", "runner", program)
    assert done.returncode == 1
    assert said in done.stderr


def test_a_program_that_fails_has_done_nothing(own: Installation) -> None:
    count = "puts User.find_by(username: 'root').personal_access_tokens.count"
    before = ruby(own, count)
    program = (
        "user = User.find_by_username('root')\n"
        "user.personal_access_tokens.create(name: 'x', scopes: ['api'])\n"
        "user.nonsense"
    )
    assert own.command("gitlab-rails", "runner", program).returncode == 1
    assert ruby(own, count) == before


def filled(installation: Installation, name: str) -> tuple[Any, Any]:
    """A project with a pipeline that has ended, and its log."""
    client = installation.client(SECOND)
    client.auth()
    group = client.groups.create({"name": name, "path": name})
    project = client.projects.create({"name": "kept", "namespace_id": group.id, "auto_devops_enabled": False})
    assert client.user is not None
    made = client.user.runners.create({"runner_type": "project_type", "project_id": project.id})
    sha = push(project, "job: {script: [x]}")
    runner = Runner(installation, made.token)
    job = taken(runner)
    runner.log(job, "kept log\n")
    runner.end(job)
    return project, pipeline_of(project, sha)


def checked(installation: Installation, project: Any, pipeline: Any) -> None:
    client = installation.client(SECOND)
    found = client.projects.get(project.path_with_namespace)
    assert found.id == project.id
    assert found.files.get(".gitlab-ci.yml", ref="main").decode() == b"job: {script: [x]}"
    assert found.pipelines.get(pipeline.id).status == "success"
    assert found.jobs.get(found.jobs.list()[0].id).trace() == b"kept log\n"


def test_everything_outlives_the_container(own: Installation) -> None:
    project, pipeline = filled(own, "restarted")
    own.stop()
    own.start()
    checked(own, project, pipeline)


def test_backup_and_restore(own: Installation) -> None:
    project, pipeline = filled(own, "restored")
    made = own.command("gitlab-backup", "create")
    assert made.returncode == 0, made.stderr
    assert own.command("gitlab-ctl", "backup-etc").returncode == 0
    archive = next((own.root / "var/opt/gitlab/backups").glob("*_19.4.0_gitlab_backup.tar"))
    name = archive.name.removesuffix("_gitlab_backup.tar")
    own.client(SECOND).projects.delete(project.id)
    refused = own.command("gitlab-backup", "restore", f"BACKUP={name}", "force=yes")
    assert "stop GitLab's processes first" in refused.stderr
    assert own.command("gitlab-ctl", "stop", "puma").returncode == 0
    assert own.command("gitlab-ctl", "stop", "sidekiq").returncode == 0
    assert own.command("gitlab-ctl", "status").returncode == 1
    done = own.command("gitlab-backup", "restore", f"BACKUP={name}", "force=yes")
    assert done.returncode == 0, done.stderr
    own.stop()
    own.start()
    checked(own, project, pipeline)


def test_reconfigure_reads_the_configuration_again(own: Installation) -> None:
    rb = own.root / "etc/gitlab/gitlab.rb"
    text = rb.read_text()
    rb.write_text(text + "mattermost['enable'] = true\n")
    refused = own.command("gitlab-ctl", "reconfigure")
    assert refused.returncode == 1
    assert "mattermost['enable'] is not supported" in refused.stdout
    rb.write_text(text)
    done = own.command("gitlab-ctl", "reconfigure")
    assert (done.returncode, done.stdout) == (0, "gitlab Reconfigured!\n")


def test_nginx_reads_a_new_certificate(own: Installation) -> None:
    before = own.served_certificate()
    own.new_certificate()
    assert own.served_certificate() == before, "it is told first"
    done = own.command("gitlab-ctl", "hup", "nginx")
    assert done.returncode == 0, done.stderr
    assert own.served_certificate() != before
    assert own.get("/users/sign_in").status_code == 200
    assert own.command("gitlab-ctl", "hup", "puma").returncode == 2
