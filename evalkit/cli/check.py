"""`python -m evalkit.cli.check GROUP NAME`: import one component and say in one line what is wrong with it."""

from __future__ import annotations

import sys

from evalkit.config.validation import options_of
from evalkit.errors import UserError
from evalkit.registry import Group, implementation, load

CALLS = {
    Group.PROTOCOL: ("samples", "target_pose", "predict", "score", "summarise"),
    Group.BASELINE: ("encode_poses", "encode_scene", "render"),
    Group.DATASET: ("sequences", "frames", "digest"),
    Group.ORACLE: ("identity", "estimate"),
    Group.METRIC: (),
}


def check(group: Group, name: str) -> None:
    """Import a component with both its halves. Raises UserError, one line, where it cannot be used."""
    component = implementation(load(group, name))
    if group is Group.METRIC:
        from evalkit.metrics.named import image_metric

        image_metric(name)
        return
    options_of(group, name)
    lacking = [call for call in CALLS[group] if not callable(getattr(component, call, None))]
    if lacking:
        raise UserError(f"{group} '{name}' lacks {', '.join(lacking)}: see the contract in its group's module")


if __name__ == "__main__":
    try:
        check(Group(sys.argv[1]), sys.argv[2])
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
