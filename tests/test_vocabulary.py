"""Words of version 1 that the field's terms have replaced (DESIGN.md, section 3) must not come back."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.conftest import ROOT

REPLACED = {
    r"pictures?": "image",
    r"asleep|sleeping|sleeps?": "inactive",
    r"awake|awaken\w*": "tuned, gate tuning",
    r"storeys?": "layer, package",
    r"sureness": "confidence",
    r"lessons?": "supervision",
    r"prices?": "loss weight",
    r"broke off": "interrupted",
    r"puts? back": "restore",
    r"nameplate|takeaway": "model name, export",
    r"apply_orders|channel_orders|orders_digest": "permute_channels",
    r"plain_decay|gate_rate|warm_up|wanted_spread": "decay_all, gate_lr_scale, warmup, target_mask_std",
}
WORD = re.compile(r"\b(" + "|".join(REPLACED) + r")\b", re.IGNORECASE)
SUFFIXES = (".py", ".md", ".js", ".css", ".html", ".toml", ".json", ".yaml", ".sh")
MARKER = "version 1"
"""A line that reads or describes files of version 1 says so; the old word is then a fact about a file."""
EXEMPT = ("CHANGELOG.md", "tests/test_vocabulary.py")


def tracked() -> list[str]:
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the list of files comes from git, and this is no checkout")
    names = listed.stdout.splitlines()
    return [name for name in names if name.endswith(SUFFIXES) and name not in EXEMPT]


def test_no_replaced_word_is_used():
    found = []
    for name in tracked():
        path = ROOT / name
        if not path.is_file() or "version1" in path.name:
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if MARKER not in line and (
                match := WORD.search(line.replace("time.sleep", "").replace("asyncio.sleep", ""))
            ):
                found.append(f"{name}:{number}: {match[0]}")
    assert found == []


@pytest.mark.parametrize("text", ["Two pictures.", "gates ASLEEP", "It is awakened", "def apply_orders():"])
def test_the_words_are_found(text):
    assert WORD.search(text)


@pytest.mark.parametrize(
    "text", ["Two images.", "inactive gates", "unpriced", "restored", "class PictureFrame"]
)
def test_other_words_are_not(text):
    assert not WORD.search(text)
