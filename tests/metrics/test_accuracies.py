"""The declared accuracies are the rows' keys, and their columns say what they are."""

from __future__ import annotations

import subprocess
import sys

import torch

from evalkit.metrics.accuracies import ACCURACIES, MAGNITUDE, AucMethod, auc, rra, rta
from evalkit.metrics.pose_scores import pose_scores
from evalkit.protocol import Better


def test_a_row_holds_exactly_the_declared_accuracies_in_their_order() -> None:
    w2c = torch.eye(4).repeat(1, 3, 1, 1)
    w2c[0, :, 2, 3] = torch.tensor([0.0, 1.0, 2.0])
    assert list(pose_scores(w2c, w2c, 0.1).row()) == [accuracy.key for accuracy in ACCURACIES]
    assert list(pose_scores(w2c, w2c, 0.1).row("ceiling.")) == [a.column(prefix="ceiling.").key for a in ACCURACIES]


def test_every_auc_has_the_declared_keys() -> None:
    w2c = torch.eye(4).repeat(1, 3, 1, 1)
    keys = {auc(method, t, signed=s).key for method in AucMethod for t in (5, 10, 20, 30) for s in (False, True)}
    assert set(pose_scores(w2c, w2c, 0.1).every_auc()) == keys


def test_keys_are_the_published_ones() -> None:
    assert rra(5).key == "rra@5"
    assert (rta(20, signed=False).key, rta(20, signed=True).key) == ("rta_folded@20", "rta_signed@20")
    assert auc(AucMethod.XFACTOR, 20, signed=False).key == "auc_xfactor_folded@20"
    assert MAGNITUDE.key == "magnitude"


def test_a_column_says_of_what_and_by_which_definition_it_is_a_number() -> None:
    column = auc(AucMethod.EXACT, 20, signed=True).column(variant="failed=90")
    assert column.key == "auc_exact_signed@20|failed=90"
    assert (column.quantity, column.definition, column.variant) == ("auc@20", "exact, signed", "failed=90")
    assert (column.scale, column.digits, column.better) == (100, 1, Better.HIGHER)


def test_the_keys_and_titles_of_all_declared_accuracies_differ() -> None:
    assert len({a.key for a in ACCURACIES}) == len({a.title for a in ACCURACIES}) == len(ACCURACIES)
    assert len({(a.quantity, a.definition) for a in ACCURACIES}) == len(ACCURACIES)


def test_declarations_are_read_without_torch() -> None:
    code = "import sys, evalkit.metrics.accuracies; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
