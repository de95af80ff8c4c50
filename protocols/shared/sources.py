"""Which target-pose source a protocol uses for a method. Needs no tensor."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.card import Card, TargetPose
from evalkit.errors import Unsupported


def first_supported(card: Card, accepted: Sequence[TargetPose], asked: TargetPose | None) -> TargetPose:
    """Choose the target-pose source of a method.

    Args:
        card: the method's card; its ``target_poses`` are in order of preference.
        accepted: the sources that the protocol can use.
        asked: the source that the user asked for, if any.

    Returns:
        The source that was asked for, else the first of the method's that the protocol accepts.

    Raises:
        Unsupported: there is none. Scores of different sources are not comparable, so none is guessed.
    """
    if asked is not None and (asked not in card.target_poses or asked not in accepted):
        offered = [source.value for source in card.target_poses if source in accepted]
        raise Unsupported(f"protocol.target_pose={asked}: {card.name} offers {', '.join(offered) or 'none'} here")
    for source in (asked,) if asked else card.target_poses:
        if source in accepted:
            return source
    raise Unsupported(
        f"baseline '{card.name}' offers target poses {', '.join(card.target_poses)}; "
        f"this protocol takes {', '.join(accepted)}"
    )
