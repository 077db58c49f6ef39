"""The examples of docs/library.md run, one after the other, as they stand there."""

from __future__ import annotations

import re
import warnings

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "library.md").read_text("utf-8")


def test_the_examples_run() -> None:
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(examples) == 6
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for example in examples:
            exec(compile(example, "docs/library.md", "exec"), names)
