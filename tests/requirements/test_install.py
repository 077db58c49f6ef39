"""``requirements/install.sh``: which packages come from where."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from tests.conftest import ROOT

SCRIPT = ROOT / "requirements" / "install.sh"
LOCK = ROOT / "requirements" / "run.lock"
FAKE_PIP = """#!/bin/sh
echo "$@" >>"$LOG"
for argument in "$@"; do
  if [ -f "$argument" ]; then cat "$argument" >>"$LOG.lock"; fi
done
"""


@pytest.fixture
def install(tmp_path):
    """Runs the script with a pip that only writes down how it is called; returns the calls and the locks it read."""
    pip, log = tmp_path / "pip", tmp_path / "log"
    pip.write_text(FAKE_PIP)
    pip.chmod(0o755)

    def run(**variables: str) -> tuple[list[str], str]:
        clean = {name: value for name, value in os.environ.items() if name != "TORCH_INDEX"}
        subprocess.run(
            [str(SCRIPT), str(pip), str(LOCK)], env=clean | {"LOG": str(log)} | variables, check=True
        )
        return log.read_text().splitlines(), log.with_suffix(".lock").read_text()

    return run


def test_the_whole_lock_is_installed_by_its_hashes(install):
    calls, locks = install()
    assert len(calls) == 1
    assert "--require-hashes" in calls[0]
    assert locks == LOCK.read_text()


def test_torch_comes_from_the_named_index_in_the_versions_of_the_lock(install):
    calls, locks = install(TORCH_INDEX="http://127.0.0.1:9/simple")
    torch_call, rest_call = calls
    pinned = set(re.findall(r"^(?:torch|torchvision)==\S+", LOCK.read_text(), re.M))
    assert len(pinned) == 2
    assert pinned <= set(torch_call.split())
    assert "--index-url http://127.0.0.1:9/simple" in torch_call
    assert "--require-hashes" in rest_call
    assert "--index-url" not in rest_call
    assert re.findall(r"^(?:torch|torchvision|triton)==", locks, re.M) == []
    assert re.search(r"^timm==", locks, re.M)
