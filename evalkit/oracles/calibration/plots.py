"""Pictures of how far oracles can be trusted."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evalkit.data.degrade import CLEAN
from evalkit.oracles.calibration.compare import TRUTH

AUC = "auc_exact_signed@20"
_MARKERS = "osD^vPX*"


def plot_comparison(summary: pd.DataFrame, path: Path) -> None:
    """AUC@20 against the truth and failures under each kind of damage, one line an oracle; written as PNG."""
    kinds = list(dict.fromkeys(grade.split()[0] for grade in summary["grade"] if grade != CLEAN))
    figure = Figure(figsize=(3.4 * max(len(kinds), 1), 5.6), layout="constrained")
    panels = figure.subplots(2, max(len(kinds), 1), sharey="row", squeeze=False)
    for column, kind in enumerate(kinds):
        for row, (key, title) in enumerate(((AUC, "AUC@20, failures as 90°"), ("failed", "failed"))):
            axes: Axes = panels[row, column]
            _lines(axes, summary, kind, key)
            axes.set_ylim(-3, 103)
            axes.grid(alpha=0.3)
            axes.set_xlabel({"blur": "blur, σ in pixels", "noise": "noise, σ", "jpeg": "JPEG quality"}.get(kind, kind))
            if column == 0:
                axes.set_ylabel(f"{title}, %")
    panels[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def _lines(axes: Axes, summary: pd.DataFrame, kind: str, key: str) -> None:
    against_truth = summary[summary["against"] == TRUTH]
    for marker, (name, part) in zip(_MARKERS, against_truth.groupby("of", sort=False), strict=False):
        grades = part[(part["grade"] == CLEAN) | part["grade"].str.startswith(f"{kind} ")]
        clean = 100.0 if kind == "jpeg" else 0.0
        amounts = [clean if grade == CLEAN else float(grade.split()[1]) for grade in grades["grade"]]
        spread = [100 * (grades[key] - grades[f"{key}_low"]), 100 * (grades[f"{key}_high"] - grades[key])]
        axes.errorbar(amounts, 100 * grades[key], yerr=spread, marker=marker, capsize=2, label=str(name))
    if kind == "jpeg":
        axes.invert_xaxis()


def plot_trust(points: pd.DataFrame, title: str, path: Path) -> None:
    """Every pair of clips as a point: TPS by the oracle against the exact transfer error; written as PNG."""
    figure = Figure(figsize=(5.6, 4.4), layout="constrained")
    axes = figure.subplots()
    for marker, (name, part) in zip(_MARKERS * 4, points.groupby("baseline", sort=False), strict=False):
        axes.scatter(part["exact_psnr"], 100 * part["tps"], marker=marker, alpha=0.7, s=22, label=str(name))
    axes.set(xlabel="exact transfer PSNR, dB", ylabel="AUC@20 signed by the oracle, failures as 90°, %", title=title)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)
