"""The variables of pipelines and jobs: predefined ones, and those that people set, in GitLab's order of precedence."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gitlab_standin import VERSION, accounts, branches
from gitlab_standin.database import Row
from gitlab_standin.repository import ZERO
from gitlab_standin.site import Site


@dataclass(frozen=True)
class Variable:
    """One variable as the runner gets it."""

    key: str
    value: str
    public: bool = True
    masked: bool = False
    file: bool = False
    raw: bool = False


def slug(text: str) -> str:
    """GitLab's slug of a ref or a path: 63 characters of a-z, 0-9 and -."""
    return re.sub(r"[^a-z0-9]", "-", text.lower())[:63].strip("-")


def environment_slug(name: str) -> str:
    """GitLab's slug of an environment: 24 characters, with a suffix where it is not the name itself."""
    found = re.sub(r"[^a-z0-9]", "-", name.lower())
    if not re.match(r"[a-z]", found):
        found = f"env-{found}"
    found = re.sub(r"-+", "-", found)
    if len(found) > 24 or found != name:
        found = found[:17]
        if not found.endswith("-"):
            found += "-"
        found += _base36(int(hashlib.sha256(name.encode()).hexdigest(), 16))[-6:]
    return found.rstrip("-")


def _base36(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return text or "0"


def of_pipeline(site: Site, project: Row, pipeline: Row) -> list[Variable]:
    """Predefined variables that are the same for every job."""
    settings = site.settings
    sha = pipeline["sha"]
    form = "%an <%ae>%x00%aI%x00%s%x00%b%x00%B"
    shown = site.repositories.git(project["id"], "show", "--no-patch", f"--format={form}", sha).decode(errors="replace")
    author, moment, title, body, message = shown.split("\0", 4)
    namespace = project["full_path"].rpartition("/")[0]
    is_tag = bool(pipeline["tag"])
    url = urlsplit(settings.url)
    port = url.port or 443
    protected = not is_tag and branches.is_protected(site, project, pipeline["ref"])
    values = {
        "CI": "true",
        "GITLAB_CI": "true",
        "GITLAB_FEATURES": "",
        "CI_SERVER": "yes",
        "CI_SERVER_NAME": "GitLab",
        "CI_SERVER_URL": settings.url,
        "CI_SERVER_HOST": settings.host,
        "CI_SERVER_FQDN": settings.host if port == 443 else f"{settings.host}:{port}",
        "CI_SERVER_PORT": str(port),
        "CI_SERVER_PROTOCOL": "https",
        "CI_SERVER_SHELL_SSH_HOST": settings.host,
        "CI_SERVER_SHELL_SSH_PORT": str(settings.public_ssh_port),
        "CI_SERVER_VERSION": VERSION,
        "CI_SERVER_VERSION_MAJOR": VERSION.split(".")[0],
        "CI_SERVER_VERSION_MINOR": VERSION.split(".")[1],
        "CI_SERVER_VERSION_PATCH": VERSION.split(".")[2],
        "CI_SERVER_REVISION": "standin",
        "CI_API_V4_URL": f"{settings.url}/api/v4",
        "CI_API_GRAPHQL_URL": f"{settings.url}/api/graphql",
        "CI_TEMPLATE_REGISTRY_HOST": "registry.gitlab.com",
        "CI_PROJECT_ID": str(project["id"]),
        "CI_PROJECT_NAME": project["path"],
        "CI_PROJECT_TITLE": project["name"],
        "CI_PROJECT_DESCRIPTION": project["attributes"].get("description") or "",
        "CI_PROJECT_PATH": project["full_path"],
        "CI_PROJECT_PATH_SLUG": slug(project["full_path"]),
        "CI_PROJECT_NAMESPACE": namespace,
        "CI_PROJECT_NAMESPACE_ID": str(project["namespace_id"]),
        "CI_PROJECT_NAMESPACE_SLUG": slug(namespace),
        "CI_PROJECT_ROOT_NAMESPACE": namespace.split("/")[0],
        "CI_PROJECT_URL": f"{settings.url}/{project['full_path']}",
        "CI_PROJECT_VISIBILITY": project["attributes"].get("visibility", "private"),
        "CI_PROJECT_REPOSITORY_LANGUAGES": "",
        "CI_PROJECT_CLASSIFICATION_LABEL": "",
        "CI_DEFAULT_BRANCH": project["default_branch"],
        "CI_DEFAULT_BRANCH_SLUG": slug(project["default_branch"]),
        "CI_CONFIG_PATH": project["attributes"].get("ci_config_path") or ".gitlab-ci.yml",
        "CI_PIPELINE_ID": str(pipeline["id"]),
        "CI_PIPELINE_IID": str(pipeline["iid"]),
        "CI_PIPELINE_SOURCE": pipeline["source"],
        "CI_PIPELINE_CREATED_AT": pipeline["created_at"],
        "CI_PIPELINE_URL": f"{settings.url}/{project['full_path']}/-/pipelines/{pipeline['id']}",
        "CI_COMMIT_SHA": sha,
        "CI_COMMIT_SHORT_SHA": sha[:8],
        "CI_COMMIT_BEFORE_SHA": pipeline["before_sha"] or ZERO,
        "CI_COMMIT_REF_NAME": pipeline["ref"],
        "CI_COMMIT_REF_SLUG": slug(pipeline["ref"]),
        "CI_COMMIT_REF_PROTECTED": str(protected).lower(),
        "CI_COMMIT_MESSAGE": message.rstrip("\n"),
        "CI_COMMIT_TITLE": title,
        "CI_COMMIT_DESCRIPTION": body.rstrip("\n"),
        "CI_COMMIT_TIMESTAMP": moment,
        "CI_COMMIT_AUTHOR": author,
        "CI_DEPENDENCY_PROXY_SERVER": f"{settings.host}:{port}",
        "CI_REGISTRY_USER": "gitlab-ci-token",
    }
    values["CI_COMMIT_TAG" if is_tag else "CI_COMMIT_BRANCH"] = pipeline["ref"]
    if is_tag:
        values["CI_COMMIT_TAG_MESSAGE"] = ""
    if settings.registry_address:
        values["CI_REGISTRY"] = settings.registry_address
        values["CI_REGISTRY_IMAGE"] = f"{settings.registry_address}/{project['full_path'].lower()}"
    else:
        values.pop("CI_REGISTRY_USER")
    user = accounts.find_user(site, pipeline["user_id"])
    if user is not None:
        values |= {
            "GITLAB_USER_ID": str(user["id"]),
            "GITLAB_USER_LOGIN": user["username"],
            "GITLAB_USER_NAME": user["name"],
            "GITLAB_USER_EMAIL": user["email"],
        }
    return [Variable(key, value) for key, value in values.items()] + _deploy_token(site, project)


def _deploy_token(site: Site, project: Row) -> list[Variable]:
    """CI_DEPLOY_USER and CI_DEPLOY_PASSWORD, where a deploy token has the name that GitLab looks for."""
    places = [row["id"] for row in accounts.ancestors(site, project["namespace_id"])]
    for row in site.db.rows("select * from deploy_tokens where name = 'gitlab-deploy-token' and revoked = 0"):
        if row["project_id"] == project["id"] or row["namespace_id"] in places:
            password = site.vault.decrypt(row["sealed"])
            return [
                Variable("CI_DEPLOY_USER", row["username"]),
                Variable("CI_DEPLOY_PASSWORD", password, public=False, masked=True),
            ]
    return []


def of_job(site: Site, project: Row, job: Row, token: str) -> list[Variable]:
    """Predefined variables of one job."""
    values = {
        "CI_JOB_ID": str(job["id"]),
        "CI_JOB_NAME": job["name"],
        "CI_JOB_NAME_SLUG": slug(job["name"]),
        "CI_JOB_STAGE": job["stage"],
        "CI_JOB_STARTED_AT": job["started_at"] or "",
        "CI_JOB_URL": f"{site.settings.url}/{project['full_path']}/-/jobs/{job['id']}",
        "CI_JOB_TIMEOUT": str(timeout(project, job)),
        "CI_NODE_TOTAL": "1",
    }
    if several := job["spec"].get("parallel"):
        values |= {"CI_NODE_INDEX": str(several["index"]), "CI_NODE_TOTAL": str(several["total"])}
    if job["condition"] == "manual":
        values["CI_JOB_MANUAL"] = "true"
    found = [Variable(key, value) for key, value in values.items()]
    found.append(Variable("CI_JOB_TOKEN", token, public=False, masked=True))
    found.append(Variable("CI_DEPENDENCY_PROXY_USER", "gitlab-ci-token"))
    found.append(Variable("CI_DEPENDENCY_PROXY_PASSWORD", token, public=False, masked=True))
    found.append(Variable("CI_REPOSITORY_URL", repository_url(site, project, token), public=False))
    if site.settings.registry_address:
        found.append(Variable("CI_REGISTRY_PASSWORD", token, public=False, masked=True))
    return found


def of_environment(job: Row, environment: dict[str, str | None] | None) -> list[Variable]:
    """Variables about the environment that a job deploys to; its `name` and `url` are expanded already."""
    if not job["environment"] or environment is None:
        return []
    name = str(environment["name"])
    values = {
        "CI_ENVIRONMENT_NAME": name,
        "CI_ENVIRONMENT_SLUG": environment_slug(name),
        "CI_ENVIRONMENT_ACTION": environment.get("action") or "start",
        "CI_ENVIRONMENT_TIER": tier(name, environment.get("deployment_tier")),
    }
    if environment.get("url"):
        values["CI_ENVIRONMENT_URL"] = str(environment["url"])
    return [Variable(key, value) for key, value in values.items()]


def repository_url(site: Site, project: Row, token: str) -> str:
    url = urlsplit(site.settings.url)
    return f"{url.scheme}://gitlab-ci-token:{token}@{url.netloc}/{project['full_path']}.git"


def timeout(project: Row, job: Row) -> int:
    """Seconds that a job may take."""
    return int(job["spec"].get("timeout") or project["attributes"].get("build_timeout") or 3600)


def tier(name: str, given: str | None) -> str:
    """An environment's tier, by its name where it is not given."""
    if given:
        return given
    for pattern, found in {
        r"(dev|review|trunk)": "development",
        r"(test|tst|int|ac(ce|)pt|qa|qc|control|quality)": "testing",
        r"(st(a|)g|mod(e|)l|pre|demo|non)": "staging",
        r"(pr(o|)d|live)": "production",
    }.items():
        if re.search(pattern, name, re.IGNORECASE):
            return found
    return "other"


def stored(site: Site, project: Row, protected: bool, environment: str | None) -> list[Variable]:
    """The variables that people set: instance, groups from the top, project. Protected ones for protected refs only."""
    places: list[tuple[int | None, int | None]] = [(None, None)]
    places += [(row["id"], None) for row in reversed(accounts.ancestors(site, project["namespace_id"]))]
    places.append((None, project["id"]))
    found: dict[str, Variable] = {}
    for namespace_id, project_id in places:
        rows = site.db.rows(
            "select * from ci_variables where namespace_id is ? and project_id is ?", namespace_id, project_id
        )
        # Among a key's scopes, the most specific one counts.
        rows = sorted(rows, key=lambda row: len(row["environment_scope"].replace("*", "")))
        for row in rows:
            if (row["protected"] and not protected) or not scope_matches(row["environment_scope"], environment):
                continue
            found.pop(row["key"], None)
            found[row["key"]] = Variable(
                row["key"],
                site.vault.decrypt(row["value"]),
                public=False,
                masked=bool(row["masked"]),
                file=row["variable_type"] == "file",
                raw=bool(row["raw"]),
            )
    return list(found.values())


def scope_matches(scope: str, environment: str | None) -> bool:
    if scope == "*":
        return True
    pattern = ".*".join(re.escape(part) for part in scope.split("*"))
    return environment is not None and re.fullmatch(pattern, environment) is not None


def given_with_pipeline(site: Site, pipeline: Row) -> list[Variable]:
    """Variables that came with the request for a pipeline."""
    if not pipeline["variables"]:
        return []
    return [
        Variable(entry["key"], entry["value"], public=False, file=entry.get("variable_type") == "file")
        for entry in json.loads(site.vault.decrypt(pipeline["variables"]))
    ]


_REFERENCE = re.compile(r"\$\$|%%|\$(?:\{(\w+)\}|(\w+))")


def expand(text: str, values: dict[str, str]) -> str:
    """Replace $NAME and ${NAME}; what is not known stays as it is."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        return values.get(name, match.group()) if name else match.group()

    return _REFERENCE.sub(replace, text)


def expand_all(variables: list[Variable]) -> list[Variable]:
    """Each variable once, the last one counting, with references to others replaced (but not in raw ones)."""
    last = {variable.key: variable for variable in variables}
    done: dict[str, str] = {}

    def value(key: str, above: tuple[str, ...]) -> str:
        if key in done:
            return done[key]
        variable = last[key]
        # A file's content is not for others to embed: they get the reference, which is the path in the job.
        if variable.raw or variable.file:
            return variable.value

        def replace(match: re.Match[str]) -> str:
            name = match.group(1) or match.group(2)
            if not name or name not in last or name in above or name == key or last[name].file:
                return match.group()
            return value(name, (*above, key))

        return _REFERENCE.sub(replace, variable.value)

    for key in last:
        done[key] = value(key, ())
    return [Variable(key, done[key], kept.public, kept.masked, kept.file, kept.raw) for key, kept in last.items()]
