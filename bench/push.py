"""From push to new answer, beside the same work typed by hand. Usage: `make bench-push`, after `make up`.

On the lab's workstation, in one clone of the sample service with a pipeline of its own, a person changes what /ping
answers, and

- pushes: the platform does the rest;
- or does without GitLab what the pipeline does (push.sh): the tests, `docker build` on the shared engine with the
  workstation's own Docker context, `docker push`, `helm upgrade --install`; with the project's own CI variables, hence
  the same images, build arguments and values.

The clock stands on the workstation: it starts before the change, and stops when a request gets the new answer. One
process there asks ten times a second from the start on (served.py), so that neither SSH nor what `helm --wait` has
still to see counts. Each answer is given once, so that no build is found in the shared engine's cache; the compiled
modules below it are, in both.

The tests by hand run where the pipeline's do, in a container of the same image with a kept cache; on the shared engine,
as the workstation may use no other: all machines share the cores of one computer. They run beside the build, as in the
pipeline. One after the other would be what most people type, but the ratio would then count as the platform's merit
that it does two things at once; here it is what the platform adds to the same work.

The two run in turn, the second of a pair first in the next. After each pair comes a push of the same pipeline with
nothing in its jobs (empty.yml): from the commit to where the deployment would have begun. That is GitLab's and its
runner's own time, which no pipeline of these jobs can do without, whatever the platform around it is.

Prints each pair; ends with 1 where the median ratio is above the bound that the project promises. At the end, and after
a failure too, a last push brings the repository's files and the release back to what they were (the answer `pong`, if
nobody has changed it). What stays is history: the commits and pipelines, the revisions of the release, the images in
the registry.
"""

from __future__ import annotations

import contextlib
import secrets
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from bench.verdict import kept
from lab import kubernetes, machines, stack
from lab.inventory import WORKSTATION

PAIRS = 4
BOUND = 1.3
"""Push to new answer takes at most this many times the same work by hand (the project's third issue)."""
PROJECT = "demo/custom"
_HERE = Path(__file__).parent
_FILES = "/root/bench-push"


def workstation(*words: str) -> str:
    """What a command prints on the workstation, where it has to succeed."""
    command = machines.ssh_command(WORKSTATION, shlex.join(words))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        # At once: the way back, which comes next, may have something to say too.
        print(f"{shlex.join(words)} failed:\n{done.stdout[-5000:]}{done.stderr[-5000:]}", file=sys.stderr, flush=True)
        sys.exit(1)
    return done.stdout


def script(*arguments: str) -> str:
    """What push.sh prints."""
    return workstation(f"{_FILES}/push.sh", *arguments)


def place_files() -> None:
    """The scripts, Helm, and what reaches GitLab: with the stack's own token, as a person would have one."""
    outputs = stack.outputs(secret=True)
    project = outputs["projects"][PROJECT.replace("/", "-")]
    token = outputs["gitlabToken"]
    settings = {
        "PROJECT": PROJECT,
        "GITLAB_URL": outputs["gitlabUrl"],
        "CLONE_URL": project["cloneHttps"],
        "SERVICE_URL": project["serviceUrl"],
    }
    files = {
        "push.sh": ((_HERE / "push.sh").read_bytes(), 0o755),
        "served.py": ((_HERE / "served.py").read_bytes(), 0o644),
        "empty.yml": ((_HERE / "empty.yml").read_bytes(), 0o644),
        "helm": ((kubernetes.addon("helm").programs / "helm").read_bytes(), 0o755),
        "settings": ("".join(f"{key}={shlex.quote(value)}\n" for key, value in settings.items()).encode(), 0o644),
        "credentials": (f"{outputs['gitlabUrl'].replace('://', f'://oauth2:{token}@')}\n".encode(), 0o600),
        "curl.conf": (f'header = "PRIVATE-TOKEN: {token}"\n'.encode(), 0o600),
    }
    workstation("rm", "-rf", _FILES)  # of a run that was killed
    workstation("mkdir", "-m", "700", _FILES)
    machines.put_files(machines.container(WORKSTATION), {f"{_FILES}/{name}": file for name, file in files.items()})


def seconds(*way: str) -> float:
    """How long it takes from the change to what is waited for, one way or the other."""
    *_, last = script(*way).splitlines()
    started, ended = last.split()
    return float(ended) - float(started)


def main() -> int:
    """Measure and print; the exit status."""
    run = secrets.token_hex(4)
    ways = ["push", "by-hand"]
    ratios, by_hand, empty = [], [], []
    with contextlib.ExitStack() as at_the_end:
        place_files()
        at_the_end.callback(script, "clean")
        script("prepare")
        at_the_end.callback(script, "back")
        print(f"{'push':>8} {'by hand':>8} {'ratio':>6} {'empty':>8}   seconds")
        for number in range(PAIRS + 1):
            took = {way: seconds(way, f"{run}-{number}-{way}") for way in ways}
            ratio = took["push"] / took["by-hand"]
            # The first fills the caches: modules, base images, the node's layers.
            note = f"{ways[0]} first" if number else "not counted"
            without_work = seconds("empty")
            print(f"{took['push']:8.1f} {took['by-hand']:8.1f} {ratio:6.2f} {without_work:8.1f}   {note}", flush=True)
            if number:
                ratios.append(ratio)
                by_hand.append(took["by-hand"])
                empty.append(without_work)
            ways.reverse()
    alone, work = statistics.median(empty), statistics.median(by_hand)
    least = f"{alone:.1f} s + {work:.1f} s, a ratio of {1 + alone / work:.2f}"
    print(f"the same jobs, empty, and then the work by hand: {least}")
    return 0 if kept(ratios, BOUND) else 1


if __name__ == "__main__":
    sys.exit(main())
