"""The database: tables, connections, and helpers for rows. Knows no meaning of what it keeps."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_JSON = {"attributes", "scopes", "tag_list", "spec", "needs", "dependencies", "variables", "levels"}
"""Columns that hold JSON, in whichever table."""

_SCHEMA = """
create table if not exists users (id integer primary key, username text not null unique collate nocase,
  name text not null, email text not null, password text, admin integer not null default 0,
  state text not null default 'active', bot integer not null default 0, created_at text not null);
create table if not exists keys (id integer primary key, user_id integer not null references users on delete cascade,
  title text not null, key text not null, fingerprint text not null unique, expires_at text, created_at text not null);
create table if not exists namespaces (id integer primary key, kind text not null,
  parent_id integer references namespaces on delete cascade, owner_id integer references users on delete cascade,
  path text not null, full_path text not null unique collate nocase, name text not null,
  attributes text not null default '{}', created_at text not null);
create table if not exists projects (id integer primary key autoincrement,
  namespace_id integer not null references namespaces on delete cascade, path text not null,
  full_path text not null unique collate nocase, name text not null, attributes text not null default '{}',
  default_branch text, creator_id integer, created_at text not null, last_activity_at text not null);
create table if not exists tokens (id integer primary key autoincrement,
  user_id integer not null references users on delete cascade, name text not null, description text,
  scopes text not null, digest text not null unique, expires_at text, revoked integer not null default 0,
  created_at text not null, last_used_at text);
create table if not exists members (id integer primary key,
  user_id integer not null references users on delete cascade,
  namespace_id integer references namespaces on delete cascade,
  project_id integer references projects on delete cascade,
  access_level integer not null, expires_at text, created_at text not null,
  unique (user_id, namespace_id, project_id));
create table if not exists ci_variables (id integer primary key,
  namespace_id integer references namespaces on delete cascade,
  project_id integer references projects on delete cascade,
  key text not null, value blob not null, variable_type text not null, protected integer not null,
  masked integer not null, hidden integer not null, raw integer not null, environment_scope text not null,
  description text);
create table if not exists protected_branches (id integer primary key,
  project_id integer not null references projects on delete cascade, name text not null,
  allow_force_push integer not null default 0, levels text not null, unique (project_id, name));
create table if not exists deploy_tokens (id integer primary key autoincrement,
  namespace_id integer references namespaces on delete cascade,
  project_id integer references projects on delete cascade,
  name text not null, username text not null, digest text not null unique, sealed blob not null, scopes text not null,
  expires_at text, revoked integer not null default 0, created_at text not null);
create table if not exists deploy_keys (id integer primary key,
  project_id integer not null references projects on delete cascade, title text not null, key text not null,
  fingerprint text not null unique, can_push integer not null default 0, expires_at text, created_at text not null);
create table if not exists runners (id integer primary key autoincrement, runner_type text not null,
  namespace_id integer references namespaces on delete cascade, description text, digest text not null unique,
  paused integer not null default 0, locked integer not null default 0, run_untagged integer not null default 1,
  tag_list text not null default '[]', access_level text not null default 'not_protected', maximum_timeout integer,
  maintenance_note text, contacted_at text, version text, revision text, platform text, architecture text,
  ip_address text, executor text, creator_id integer, created_at text not null);
create table if not exists runner_projects (runner_id integer not null references runners on delete cascade,
  project_id integer not null references projects on delete cascade, primary key (runner_id, project_id));
create table if not exists pipelines (id integer primary key autoincrement, iid integer not null,
  project_id integer not null references projects on delete cascade, ref text not null, tag integer not null,
  sha text not null, before_sha text not null, source text not null, status text not null, user_id integer,
  yaml_errors text, variables blob, created_at text not null, updated_at text not null, started_at text,
  finished_at text);
create table if not exists jobs (id integer primary key autoincrement,
  pipeline_id integer not null references pipelines on delete cascade,
  project_id integer not null references projects on delete cascade, name text not null, stage text not null,
  stage_index integer not null, status text not null, condition text not null, allow_failure integer not null,
  needs text, dependencies text, spec text not null, tag_list text not null, environment text,
  protected integer not null, retried integer not null default 0, user_id integer, runner_id integer,
  digest text unique, sealed_token blob, output_variables blob, failure_reason text, exit_code integer,
  created_at text not null, queued_at text, started_at text, finished_at text, erased_at text);
create index if not exists jobs_by_pipeline on jobs (pipeline_id);
create index if not exists jobs_by_status on jobs (status);
create table if not exists artifacts (id integer primary key,
  job_id integer not null references jobs on delete cascade, file_type text not null, file_format text not null,
  filename text not null, size integer not null, expire_at text, created_at text not null,
  unique (job_id, file_type));
create table if not exists environments (id integer primary key autoincrement,
  project_id integer not null references projects on delete cascade, name text not null, slug text not null,
  external_url text, state text not null, tier text not null, on_stop text, created_at text not null,
  updated_at text not null, unique (project_id, name));
create table if not exists deployments (id integer primary key autoincrement, iid integer not null,
  project_id integer not null references projects on delete cascade,
  environment_id integer not null references environments on delete cascade,
  job_id integer references jobs on delete set null, ref text not null, sha text not null, status text not null,
  user_id integer, created_at text not null, updated_at text not null);
create table if not exists lfs_objects (project_id integer not null references projects on delete cascade,
  oid text not null, size integer not null, primary key (project_id, oid));
create table if not exists cluster_agents (id integer primary key autoincrement,
  project_id integer not null references projects on delete cascade, name text not null, created_by_user_id integer,
  created_at text not null, unique (project_id, name));
create table if not exists cluster_agent_tokens (id integer primary key autoincrement,
  agent_id integer not null references cluster_agents on delete cascade, name text not null, description text,
  digest text not null unique, status text not null, created_by_user_id integer, created_at text not null,
  last_used_at text);
create table if not exists settings (name text primary key, value text not null);
"""


class Database:
    """Connections to one file, one per thread; every statement outside `transaction` is its own transaction."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file
        self._local = threading.local()
        self._writing = threading.RLock()
        self._connection.executescript(_SCHEMA)

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._file, isolation_level=None, timeout=30)
            connection.row_factory = sqlite3.Row
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = normal")
            connection.execute("pragma foreign_keys = on")
            self._local.connection = connection
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; inside another one, a part of that."""
        with self._writing:
            connection = self._connection
            if connection.in_transaction:
                yield
                return
            connection.execute("begin immediate")
            try:
                yield
            except BaseException:
                connection.execute("rollback")
                raise
            connection.execute("commit")

    def rows(self, query: str, *values: Any) -> list[Row]:
        return [_row(found) for found in self._connection.execute(query, values)]

    def row(self, query: str, *values: Any) -> Row | None:
        found = self._connection.execute(query, values).fetchone()
        return _row(found) if found is not None else None

    def number(self, query: str, *values: Any) -> int:
        """The one number that the query answers."""
        return int(self._connection.execute(query, values).fetchone()[0] or 0)

    def insert(self, table: str, **values: Any) -> int:
        """Add a row; returns its id."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        cursor = self._connection.execute(f"insert into {table} ({names}) values ({marks})", _bound(values))
        return int(cursor.lastrowid or 0)

    def update(self, table: str, row_id: int, **values: Any) -> None:
        if values:
            sets = ", ".join(f"{name} = ?" for name in values)
            self._connection.execute(f"update {table} set {sets} where id = ?", [*_bound(values), row_id])

    def execute(self, statement: str, *values: Any) -> int:
        """Run a statement; returns how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def copy_to(self, file: Path) -> None:
        """A consistent copy, for backups."""
        target = sqlite3.connect(file)
        with target:
            self._connection.backup(target)
        target.close()

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None


def _row(found: sqlite3.Row) -> Row:
    row = dict(found)
    for name in _JSON & row.keys():
        if isinstance(row[name], str):
            row[name] = json.loads(row[name])
    return row


def _bound(values: dict[str, Any]) -> Sequence[Any]:
    return [
        json.dumps(value) if name in _JSON and value is not None and not isinstance(value, bytes) else value
        for name, value in values.items()
    ]
