"""The tables that ``bench_gate.py`` prints last; also of a saved result: ``python -m scripts.gpu.gate_report FILE``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Report = dict[str, Any]


def failures(report: Report) -> list[Report]:
    """Comparisons that were out of tolerance or raised an error; one if there was none at all."""
    results = report.get("checks", {}).get("results", [])
    return [result for result in results if not result["passed"]] if results else [{"error": "no comparison"}]


def lines(report: Report) -> list[str]:
    """All tables, the least important first, because the end of an output is what is kept."""
    return [
        f"{report['device']}, torch {report['torch']}; copy {report.get('copy_gbs', 0):.0f} GB/s (read and written)",
        *_sweeps(report),
        *_times(report),
        *_compiled(report),
        *_network(report),
        *_checks(report),
    ]


def _shape(row: Report) -> str:
    layout = "NHWC" if row["last"] else "NCHW"
    size = f"{row['images']}x{row['channels']}x{row['height']}x{row['width']}"
    return f"{row['network']:<14} {size:<18} g{row['groups']:<3} {row['dtype']:<8} {layout}"


def _checks(report: Report) -> Iterator[str]:
    checks = report.get("checks", {"wanted": 0, "results": []})
    failed = failures(report)
    yield f"checks: {len(checks['results'])} of {checks['wanted']} made, {len(failed)} failed"
    for dtype in ("float32", "bfloat16", "float16"):
        errors = [r["errors"] for r in checks["results"] if r["dtype"] == dtype and "errors" in r]
        names = dict.fromkeys(name for e in errors for name in e)
        worst = {name: max(e[name] for e in errors if name in e) for name in names}
        yield f"  largest errors, {dtype}: " + ", ".join(
            f"{name} {value:.1e}" for name, value in worst.items()
        )
    for result in failed[:8]:
        where = _shape(result) if "network" in result else ""
        yield f"  FAILED {where} {result.get('error') or result['errors']}"


def _times(report: Report) -> Iterator[str]:
    copy = report.get("copy_gbs") or float("nan")
    yield "us, forward | forward and backward: eager, fused, ratio, share of the copy's rate"
    for row in report.get("times", []):
        parts = []
        for name in ("forward", "both"):
            eager, fused = row["us"]["eager"][name], row["us"]["fused"][name]
            parts.append(
                f"{eager:8.1f} {fused:7.1f} {eager / fused:5.1f}x {row['fused_gbs'][name] / copy:5.0%}"
            )
        yield f"{_shape(row)} {' | '.join(parts)}"


def _compiled(report: Report) -> Iterator[str]:
    for row in (report.get("tasks") or {}).get("compiled") or []:
        us = row["us"]
        yield f"torch.compile of eager ({row['compile_s']:.0f} s): {_shape(row)} {us['forward']:.1f} | {us['both']:.1f} us"


def _sweeps(report: Report) -> Iterator[str]:
    tasks = report.get("tasks") or {}
    groups: dict[tuple[Any, ...], list[Report]] = {}
    for name in tasks:
        for row in (tasks[name] or []) if name.startswith("sweep") else []:
            groups.setdefault((*row["shape"], row["last"], row["pass"]), []).append(row)
    for key, rows in groups.items():
        chosen, *others = (
            f"{'R' if row['tile']['resident'] else 'L'}{row['tile']['positions']}x{row['tile']['groups']}"
            f"w{row['tile']['warps']} {row['us']:.1f}"
            for row in rows
        )
        layout = "NHWC" if key[4] else "NCHW"
        yield f"tiles {key[0]}x{key[1]}g {key[2]}^2 S{key[3]} {layout} {key[5]}: {chosen}; {', '.join(others)}"


def _network(report: Report) -> Iterator[str]:
    network = report.get("network") or {"ms": {}, "logits": {}}
    compiled = report.get("compiled_network") or {}
    for batch, variants in network["ms"].items():
        yield f"ResNet-50 bf16 batch {batch}, ms (ratio to plain):"
        for way in ("eager", "graph", "compile"):
            values = {name: found.get(way) for name, found in variants.items()}
            if way == "compile":
                values = {name: ((compiled.get(name) or {}).get(batch) or {}).get("ms") for name in variants}
            plain = values.get("plain")
            shown = [
                f"{name} {value:.3f}" + (f" ({value / plain:.3f})" if plain else "")
                for name, value in values.items()
                if value
            ]
            yield f"  {way:<8} {', '.join(shown)}"
        differences = network["logits"][batch]
        yield "  logits against float32: " + ", ".join(
            f"{name} {value:.1e}" for name, value in differences.items()
        )


if __name__ == "__main__":
    print("\n".join(lines(json.loads(Path(sys.argv[1]).read_text("utf-8")))))
