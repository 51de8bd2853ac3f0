"""What several machines, and this computer, have to agree on: the time, and the kind of processor.

Owns: asking each machine, and the comparison.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import asyncssh
from cryptography import x509

from components.host import Finding
from preflight import ssh

APART = 5.0
"""Seconds between two clocks that are worth a word."""
TRUSTED = "/usr/local/share/ca-certificates/auto-devops.crt"
"""Where components/ca/scripts/trust.sh puts the CA."""
_ASK = f'sh -c \'printf "\\036%s %s\\036\\n" "$(date +%s.%N)" "$(uname -m)"; cat {TRUSTED} 2>/dev/null || true\''


@dataclass(frozen=True)
class Facts:
    """Of one machine: `ahead` are the seconds that its clock is before ours, give or take `error`.

    `begins` is from when the CA that it trusts is valid, by our calendar; None where it trusts none of ours yet.
    """

    machine: str
    ahead: float
    error: float
    architecture: str
    begins: datetime.datetime | None


async def ask(connection: asyncssh.SSHClientConnection, machine: str) -> Facts | None:
    """The machine's answers; None where its shell gives none."""
    before = time.time()
    _, output, _ = await ssh.run(connection, _ASK)
    return read(machine, output, before, time.time())


def read(machine: str, output: str, before: float, after: float) -> Facts | None:
    """The facts in `output`, asked for and answered at these times. A login shell may have printed around them."""
    parts = output.split("\x1e")
    if len(parts) < 3 or len(words := parts[1].split()) != 2:
        return None
    ahead = float(words[0]) - (before + after) / 2
    certificate = parts[2].strip()
    begins = None
    if "BEGIN CERTIFICATE" in certificate:
        begins = x509.load_pem_x509_certificate(certificate.encode()).not_valid_before_utc
    return Facts(machine, ahead, (after - before) / 2, words[1], begins)


def findings(facts: Sequence[Facts], images_from: tuple[str, Collection[str]] | None) -> list[Finding]:
    """What does not fit. `images_from` is the machine that builds images, and those that run them."""
    return [*_clocks(facts), *(_architectures(facts, *images_from) if images_from else ())]


def _clocks(facts: Sequence[Facts]) -> list[Finding]:
    found = []
    apart = [each for each in facts if abs(each.ahead) - each.error > APART]
    spread = max((each.ahead for each in facts), default=0) - min((each.ahead for each in facts), default=0)
    # Machines that agree with each other are right, most likely.
    ours = len(facts) > 1 and len(apart) == len(facts) and spread < APART
    for each in facts:
        if each in apart:
            found.append(_wrong(each, ours))
        else:
            found.append(Finding(each.machine, "ok", "clock", f"{abs(each.ahead):.1f} s from this computer's"))
    if spread > APART and not apart:
        first, last = (pick(facts, key=lambda each: each.ahead).machine for pick in (min, max))
        fix = "on both: timedatectl set-ntp true (needs systemd-timesyncd, chrony or another)"
        found.append(Finding(last, "warning", "clock", f"{spread:.0f} s ahead of {first}'s", "the same time", fix))
    return found


def _wrong(each: Facts, ours: bool) -> Finding:
    seconds = f"{abs(each.ahead):.0f} s {'ahead of' if each.ahead > 0 else 'behind'} this computer's"
    where = "this computer (all machines agree)" if ours else each.machine
    fix = f"on {where}: timedatectl set-ntp true (needs systemd-timesyncd, chrony or another); date -u"
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=each.ahead)
    if each.begins and each.begins > now:
        wanted = f"one at which the CA is valid already, which begins at {each.begins:%Y-%m-%d %H:%M:%S} UTC"
        return Finding(each.machine, "refused", "clock", seconds, wanted, fix)
    if each.ahead < 0 and not each.begins:
        # Certificates begin at the very moment of their making (terraform-provider-tls, internal/provider/
        # common_cert.go: NotBefore is now), and the first are used some seconds later.
        wanted = "this computer's time: what it certifies now would not be valid there yet"
        return Finding(each.machine, "refused", "clock", seconds, wanted, fix)
    return Finding(each.machine, "warning", "clock", seconds, f"within {APART:.0f} s of it", fix)


def _architectures(facts: Sequence[Facts], builder: str, runners: Collection[str]) -> list[Finding]:
    kinds = {each.machine: each.architecture for each in facts}
    found = []
    for runner in sorted(runners):
        if builder not in kinds or runner not in kinds:
            continue
        if kinds[runner] == kinds[builder]:
            found.append(Finding(runner, "ok", "same architecture", f"as {builder}, which builds its images"))
        else:
            wanted = f"{kinds[builder]}, as {builder} has, which builds the images that run here"
            fix = f"choose another machine as {runner}, or as {builder}"
            found.append(Finding(runner, "refused", "same architecture", kinds[runner], wanted, fix))
    return found
