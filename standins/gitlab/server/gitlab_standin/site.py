"""One running installation: settings, secrets, database, and the signals between its parts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gitlab_standin import clock
from gitlab_standin.database import Database, Row
from gitlab_standin.repository import Repositories
from gitlab_standin.settings import Settings
from gitlab_standin.vault import Vault


@dataclass(frozen=True)
class PushedRef:
    """A branch or a tag that a push has made or moved, and what the push said about its pipeline.

    `before` is forty zeros for a new one; `variables` have a `key` and a `value` each.
    """

    project_id: int
    user: Row | None
    name: str
    is_tag: bool
    sha: str
    before: str
    skip_ci: bool
    variables: list[dict[str, str]]


class Site:
    """What every part of the server works with."""

    def __init__(self, settings: Settings, vault: Vault | None = None) -> None:
        self.settings = settings
        self.vault = vault or Vault(settings.secrets)
        self.db = Database(settings.database)
        self.repositories = Repositories(settings)
        self.background = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="sidekiq")
        self.on_push: list[Callable[[PushedRef], object]] = []
        """Called with each ref that was pushed, when it has moved: how pushes start pipelines."""
        self._queue = threading.Condition()
        # Not the same after a restart: a runner that waits for a change would miss what came meanwhile.
        self._queue_version = time.time_ns()

    def later(self, task: Callable[[], object]) -> None:
        """Do something in the background, as Sidekiq would; what goes wrong is printed to the log."""

        def guarded() -> None:
            try:
                task()
            except Exception as error:
                import traceback

                print(f"{clock.now()} background task failed: {error}\n{traceback.format_exc()}", flush=True)

        self.background.submit(guarded)

    def pushed(self, ref: PushedRef) -> None:
        """Tell those who wait for pushes."""
        for called in self.on_push:
            called(ref)

    @property
    def queue_version(self) -> str:
        """Changes when a runner may find new jobs."""
        return str(self._queue_version)

    def queue_changed(self) -> None:
        """Wake the runners that wait for jobs."""
        with self._queue:
            self._queue_version += 1
            self._queue.notify_all()

    def wait_for_queue(self, version: str, seconds: float) -> None:
        """Return when the queue has another version, or after some seconds."""
        with self._queue:
            self._queue.wait_for(lambda: str(self._queue_version) != version, timeout=seconds)
