"""Differences in numbers that are no means over rows: a protocol compares two of its runs itself."""

from __future__ import annotations

from importlib import import_module

from evalkit.errors import UserError
from evalkit.registry import Group, load
from evalkit.run.find import FoundRun
from evalkit.run.row_numbers import rows_of
from evalkit.run.store import RunFolder
from evalkit.stats.paired import Comparison


def compared_by_protocol(other: FoundRun, base: FoundRun) -> dict[str, Comparison]:
    """Return other minus base by key, of what the protocol's function ``paired`` compares, if it has one."""
    conditions = base.summary.conditions
    try:
        named = getattr(load(Group.PROTOCOL, conditions.protocol.partition("@")[0]), "paired", None)
    except UserError:  # a protocol that is not installed here
        return {}
    if named is None:
        return {}
    module, _, attribute = str(named).partition(":")
    paired = getattr(import_module(module), attribute)
    (rows, arrays), (base_rows, base_arrays) = (
        (rows_of(run.path), RunFolder(run.path, "").arrays) for run in (other, base)
    )
    compared: dict[str, Comparison] = paired((rows, arrays), (base_rows, base_arrays), conditions.protocol_settings)
    return compared
