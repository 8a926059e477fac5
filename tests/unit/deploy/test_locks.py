from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fakes.containers import ROOT
from reelqueue.dev.locks import PARTS, NotPinned, parts

SERVICE = ROOT / "requirements.lock"


def pinned(path: Path) -> dict[str, int]:
    """The packages of a lock, with how many hashes each has."""
    entries = re.findall(r"^([a-z0-9-]+)==\S+(.*(?:\n    .*)*)", path.read_text(), re.MULTILINE)
    return {name: text.count("--hash=sha256:") for name, text in entries}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(name: str) -> set[str]:
    """What a package needs on this machine, and what that needs."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for text in importlib.metadata.requires(waiting.pop()) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                one = canonical(requirement.name)
                if one not in found:
                    found.add(one)
                    waiting.append(one)
    return found


# --- the small locks --------------------------------------------------------------------------------------------------


def test_the_small_locks_are_parts_of_the_development_lock():
    for path, text in parts(ROOT).items():
        assert (ROOT / path).read_text() == text, "run `python -m reelqueue.dev.locks`"


@pytest.mark.parametrize("path", [*PARTS, "requirements.lock"])
def test_every_package_has_a_hash(path: str):
    found = pinned(ROOT / path)
    assert found
    assert all(found.values())


def test_what_builds_the_wheel_is_whole():
    assert {"hatchling"} | needs("hatchling") <= set(pinned(ROOT / "deploy/build.lock"))


def test_what_the_twin_needs_is_there():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["twin"]
    wanted = {canonical(Requirement(text).name) for text in extra}
    for name in list(wanted):
        wanted |= needs(name)
    assert wanted <= set(pinned(ROOT / "deploy/twin.lock")) | set(pinned(SERVICE))


def test_a_package_that_is_not_pinned_is_told(tmp_path: Path):
    (tmp_path / "requirements-dev.lock").write_text("av==1.0 \\\n    --hash=sha256:00\n")
    with pytest.raises(NotPinned, match="hatchling"):
        parts(tmp_path)


# --- the service runs with what its lock has --------------------------------------------------------------------------

# In a process of its own, in which packages that the lock lacks cannot be imported.
IMPORTS = """
import importlib, importlib.abc, importlib.metadata, json, re, sys
allowed = set(json.loads(sys.argv[1]))
owners = {
    top: {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    for top, names in importlib.metadata.packages_distributions().items()
}

class Fence(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in owners and not owners[top] & allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Fence())
for module in json.loads(sys.argv[2]):
    importlib.import_module(module)
"""
ENTRIES = [
    "reelqueue.cli.app",
    "reelqueue.cli.start",
    "reelqueue.gateway.server",
    "reelqueue.gateway.asgi",
    "reelqueue.worker.process",
    "reelqueue.worker.dispatcher",
    "reelqueue.store.migrations",
    "reelqueue.dev.trial",
    # What Celery loads by name once it connects.
    "kombu.transport.redis",
    "celery.concurrency.thread",
    "celery.app.amqp",
    "celery.worker",
    "celery.fixups.django",
    "kombu.serialization",
    "uvloop",
    "httptools",
]


def run_fenced(allowed: set[str], modules: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IMPORTS, json.dumps(sorted(allowed)), json.dumps(modules)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_the_service_imports_nothing_that_its_lock_lacks():
    done = run_fenced({"reelqueue", *pinned(SERVICE)}, ENTRIES)
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_twin_imports_nothing_that_its_locks_lack():
    done = run_fenced({"reelqueue", *pinned(SERVICE), *pinned(ROOT / "deploy/twin.lock")}, ["nemotwin.cli"])
    assert done.returncode == 0, done.stderr[-2000:]


def test_the_fence_holds():
    done = run_fenced({"reelqueue", *pinned(SERVICE)} - {"celery"}, ["reelqueue.worker.app"])
    assert "No module named 'celery'" in done.stderr
