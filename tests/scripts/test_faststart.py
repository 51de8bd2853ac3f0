"""The SDKs' packages without what the program does not need of them."""

from __future__ import annotations

import subprocess
import sys

from tests.scripts.machine import ROOT

# In an interpreter of its own: in this one other tests have imported the packages already.
PROGRAM = """
import sys
import faststart
import pulumi_gitlab as gitlab

def loaded(package):
    return sum(name.startswith(package + ".") for name in sys.modules)

# A class, one of several words, arguments, a class whose module has the same name.
for found in (gitlab.Group, gitlab.ClusterAgentToken, gitlab.ProjectContainerExpirationPolicyArgs):
    assert isinstance(found, type), found
assert gitlab.Group.__name__ == "Group"
print(loaded("pulumi_gitlab"))

# Functions and modules, then what is in no module of a name that fits: the whole package, as ever.
assert callable(gitlab.get_group)
assert gitlab.outputs.__name__ == "pulumi_gitlab.outputs"
assert isinstance(gitlab.GroupArgs, type)
print(loaded("pulumi_gitlab"))
try:
    gitlab.NoSuchThing
except AttributeError:
    print("no such thing")
"""


def test_only_what_is_asked_for_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    few, whole, refused = done.stdout.splitlines()
    assert int(few) < 10
    assert int(whole) > 200, "the package is smaller than LAZY was made for"
    assert refused == "no such thing"
