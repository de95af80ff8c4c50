"""Converting weights as the authors of a method released them: an optional ability of a method."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable


@runtime_checkable
class ConvertsWeights(Protocol):
    """A method whose released checkpoints can be converted; `evalkit weights convert` calls it on the class."""

    @staticmethod
    def convert(folder: Path, file: Path, views: int) -> None:
        """Convert the checkpoint in ``folder`` and write ``file``, which ``baseline.weights=FILE`` takes.

        ``views`` is the number of context views that the checkpoint was trained with. Raises UserError where the folder
        does not hold such a checkpoint.
        """
        ...


def converts_weights(component: Any) -> TypeGuard[type[ConvertsWeights]]:
    """Whether a class is one that `ConvertsWeights`."""
    return isinstance(component, type) and issubclass(component, ConvertsWeights)
