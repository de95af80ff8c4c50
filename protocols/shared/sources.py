"""Which target-pose source a protocol uses for a method. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.card import Card, TargetPose
from evalkit.errors import Unsupported


def first_supported(card: Card, ours: Sequence[TargetPose], asked: TargetPose | None) -> TargetPose:
    """The source that was asked for, else the first of the method's that the protocol can use.

    Raises Unsupported where there is none: scores of different sources are not comparable, so none is guessed.
    """
    if asked is not None and (asked not in card.target_poses or asked not in ours):
        offered = [source.value for source in card.target_poses if source in ours]
        raise Unsupported(f"protocol.target_pose={asked}: {card.name} offers {', '.join(offered) or 'none'} here")
    for source in (asked,) if asked else card.target_poses:
        if source in ours:
            return source
    raise Unsupported(
        f"baseline '{card.name}' offers target poses {', '.join(card.target_poses)}; "
        f"this protocol takes {', '.join(ours)}"
    )
