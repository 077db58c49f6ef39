"""The table of the library's commands."""

from __future__ import annotations

from sge.cli.lazy_commands import LazyCommand

LIBRARY_COMMANDS = (
    LazyCommand("analyze", "sge.cli.analyze", "analyze", "Write predictions and masks of every image."),
    LazyCommand("predict", "sge.cli.analyze", "predict", "Print the classes of every image, best first."),
    LazyCommand("ablate", "sge.cli.ablate", "ablate", "Print what the classes become without some groups."),
    LazyCommand("parts", "sge.cli.parts", "app", "Fit, find and evaluate parts: noses and eyes."),
    LazyCommand("models", "sge.cli.models", "app", "List, show, download, import, verify and export models."),
    LazyCommand(
        "tune-gates", "sge.cli.tune_gates", "tune_gates_of_model", "Train inactive gates without labels."
    ),
    LazyCommand("train", "sge.cli.train", "train_network", "Train a network from labelled images."),
    LazyCommand("eval", "sge.cli.evaluate", "evaluate_sets", "Measure a model on labelled images."),
    LazyCommand(
        "eval gates", "sge.cli.evaluate_gates", "evaluate_gates", "Measure what the masks do to top-1."
    ),
    LazyCommand(
        "eval faithfulness",
        "sge.cli.evaluate_faithfulness",
        "evaluate_faithfulness",
        "Measure how well maps show what a prediction depends on.",
    ),
    LazyCommand("bench", "sge.cli.bench", "app", "Measure costs as ratios within one run."),
)
