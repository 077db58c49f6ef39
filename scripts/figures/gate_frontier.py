"""Makes docs/gate_frontier.png: agreement with the network of inactive gates against how much the masks vary.

    python -m scripts.figures.gate_frontier

One point a run of gate tuning, from the table ``frontier`` of ``weights/sge_efficientnet_lite0_tuned.figures.json``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt

from scripts.common import INK, ROOT
from scripts.render_tables import read_figures, row
from sge.models import TUNED_MODEL, shipped_entries

SETS = {
    "agreement_validation": ("500 validation images of dogs", "#1f6feb", "o"),
    "agreement_held_out": ("150 other things", "#bc4c00", "s"),
}
"""Column to title, color and marker."""
TARGET = 0.95


def main() -> None:
    """Writes the figure."""
    table = read_figures(TUNED_MODEL)["frontier"]
    runs = [entry for entry in table["rows"] if entry["mean_std"] is not None]
    figure, axis = plt.subplots(figsize=(5.6, 3.5), dpi=130)
    error = row(table, "standard_error")
    card = shipped_entries()[TUNED_MODEL].card
    assert card is not None
    assert card.made_from is not None
    shipped = row(table, card.made_from["run"])
    for column, (title, color, marker) in SETS.items():
        label = f"{title} (standard error {error[column]:.3f})"
        stds, shares = ([run[key] for run in runs] for key in ("mean_std", column))
        axis.scatter(stds, shares, s=26, color=color, marker=marker, label=label, zorder=3)
        axis.scatter(
            shipped["mean_std"],
            shipped[column],
            s=130,
            facecolors="none",
            edgecolors=color,
            linewidths=1.6,
            zorder=4,
            label="shipped" if column == "agreement_held_out" else None,
        )
    axis.axhline(TARGET, color=INK, linewidth=0.8, linestyle="--", zorder=1)
    axis.annotate("wanted", (0.001, TARGET), (0, 3), textcoords="offset points", fontsize=8, color=INK)
    axis.set_xlabel("mean standard deviation of a mask over space", fontsize=9, color=INK)
    axis.set_ylabel("agreement", fontsize=9, color=INK)
    axis.set_xlim(0, 0.15)
    axis.set_ylim(bottom=0.845)
    axis.tick_params(labelsize=8, colors=INK)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="lower left", fontsize=8, frameon=False, labelcolor=INK)
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "gate_frontier.png", facecolor="white")


if __name__ == "__main__":
    main()
