"""Plots of how far oracles can be trusted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalkit.data.degrade import CLEAN
from evalkit.oracles.calibration.compare import FAILED, TRUTH
from evalkit.oracles.calibration.hook import TrustColumns

_MARKERS = "osD^vPX*"
_AMOUNTS = {"blur": "blur, σ in pixels", "noise": "noise, σ", "jpeg": "JPEG quality"}


def plot_comparison(summary: pd.DataFrame, key: str, title: str, path: Path) -> None:
    """Plot an accuracy against the truth, and failures, by the amount of each kind of damage; written as PNG.

    Args:
        summary: of `compare`, one line per oracle and grade.
        key, title: the accuracy.
        path: the file to write.
    """
    kinds = list(dict.fromkeys(grade.split()[0] for grade in summary["grade"] if grade != CLEAN))
    figure = Figure(figsize=(3.4 * max(len(kinds), 1), 5.6), layout="constrained")
    panels = figure.subplots(2, max(len(kinds), 1), sharey="row", squeeze=False)
    for column, kind in enumerate(kinds):
        for row, (number, label) in enumerate(((key, f"{title}, failures as 90°"), (FAILED, "failed"))):
            axes: Axes = panels[row, column]
            _draw_lines(axes, summary, kind, number)
            axes.set_ylim(-3, 103)
            axes.grid(alpha=0.3)
            axes.set_xlabel(_AMOUNTS.get(kind, kind))
            if column == 0:
                axes.set_ylabel(f"{label}, %")
    panels[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def _draw_lines(axes: Axes, summary: pd.DataFrame, kind: str, key: str) -> None:
    """Draw one line with error bars for each oracle."""
    against_truth = summary[summary["against"] == TRUTH]
    for marker, (name, part) in zip(_MARKERS, against_truth.groupby("of", sort=False), strict=False):
        grades = part[(part["grade"] == CLEAN) | part["grade"].str.startswith(f"{kind} ")]
        clean = 100.0 if kind == "jpeg" else 0.0
        amounts = [clean if grade == CLEAN else float(grade.split()[1]) for grade in grades["grade"]]
        spread = [100 * (grades[key] - grades[f"{key}_low"]), 100 * (grades[f"{key}_high"] - grades[key])]
        axes.errorbar(amounts, 100 * grades[key], yerr=spread, marker=marker, capsize=2, label=str(name))
    if kind == "jpeg":
        axes.invert_xaxis()


def plot_trust(points: pd.DataFrame, columns: TrustColumns, title: str, path: Path) -> None:
    """Plot every sample of every method as a point: the score by the oracle against the truth; written as PNG."""
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    axes = figure.subplots()
    for marker, (name, part) in zip(_MARKERS * 4, points.groupby("baseline", sort=False), strict=False):
        axes.scatter(part["truth"], 100 * part["accuracy"], marker=marker, alpha=0.7, s=22, label=str(name))
    axes.set(xlabel=columns.truth_label, ylabel=columns.accuracy_label, title=title)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)
