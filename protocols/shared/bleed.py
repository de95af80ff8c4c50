"""Bleed: whether pixels of A's targets shine through the renders, on any data.

From each target the fade between its neighbours in time among A's context is taken away: what is left is of A alone,
while along one motion all scenes brighten and darken alike. From each render and each target its mean over the views is
taken away. What is left of a render is correlated with that of A's targets, and with that of the targets of other
pairs. A render of B that moves as A moves correlates with neither; a trace of A's pixels correlates with its own A.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from evalkit.stats.interval import Floats, Interval
from evalkit.stats.jackknife import OwnAndOthers
from protocols.shared.bleed_names import FLAGGED, RENDER_CHANGE, SIDE, TARGET_CHANGE
from protocols.shared.others import MOST, OtherClips
from protocols.shared.transfer import Pair
from protocols.shared.without_pose import clock

DRAWN = 8  # other clips of a pair, where there are many pairs
_BLOCK = 16  # pairs in memory at once


def changes_over_views(images: Tensor) -> Tensor:
    """Return how views [T, 3, S, S] differ from their mean, at `SIDE` pixels at most, in half precision."""
    small = adaptive_avg_pool2d(images.float(), min(SIDE, images.shape[-1]))
    return (small - small.mean(dim=0)).half().cpu()


def kept_changes(pair: Pair, renders: Tensor) -> dict[str, Tensor]:
    """What bleed compares of a pair: A's targets, less the fade of their neighbours, and renders [T, 3, S, S]."""
    clip = pair.clip_a
    context = pair.a.images[list(clip.context_positions)]
    left, share = clock(sorted(clip.context), sorted(clip.target))
    faded = torch.lerp(context[left], context[left + 1], share.to(context)[:, None, None, None])
    changes = {TARGET_CHANGE: pair.targets.images - faded, RENDER_CHANGE: renders}
    return {name: changes_over_views(images) for name, images in changes.items()}


def compared_with_others(
    renders: Tensor, targets: Tensor, sample_ids: Sequence[str], scenes: Sequence[tuple[str, ...]]
) -> OwnAndOthers:
    """Correlations of the changes of renders with those of their own targets and of the others, of all pairs.

    Of more than `MOST` pairs, `DRAWN` others are compared with: their mean varies far less than the own correlation.

    Args:
        renders, targets: as `changes_over_views` returns them, [N, T, 3, S, S].
        sample_ids, scenes: of each pair; the first scene is that of A.
    """
    others = OtherClips.of(sample_ids, scenes, MOST if len(renders) <= MOST else DRAWN)
    return others.compared(*correlations(renders, targets, others))


def own_minus_others(own: Floats, others: Floats) -> Floats:
    """Bleed: the mean over own clips less that over the others."""
    return own - others


def correlations(renders: Tensor, targets: Tensor, others: OtherClips) -> tuple[Floats, Floats]:
    """Correlate changes of renders with those of targets, both [N, ...]: own [N], and others [N, M].

    0 where a render or a clip does not change at all.
    """
    rendered, real, index = _unit(renders), _unit(targets), torch.from_numpy(others.index)
    own = (rendered * real).sum(1).double().numpy()
    if len(real) <= index.shape[1] + 1:  # all with all
        return own, (rendered @ real.T).gather(1, index).double().numpy()
    blocks = [
        torch.bmm(real[index[rows]], rendered[rows, :, None])[..., 0] for rows in torch.arange(len(real)).split(_BLOCK)
    ]
    return own, torch.cat(blocks).double().numpy()


def _unit(changes: Tensor) -> Tensor:
    vectors = changes.flatten(1).float()
    length = vectors.norm(dim=1, keepdim=True)
    return vectors / torch.where(length > 0, length, 1.0)


def is_flagged(bleed: Interval) -> bool:
    """Whether the renders hold pixels of A, or their negatives, beyond chance.

    A negative must lie at least twice the half-width of the interval below: renders without bleed are then flagged as
    seldom as by pixels alone.
    """
    lowest_of_negative = bleed.mean + 2 * (bleed.high - bleed.mean)
    return bool(bleed.low > FLAGGED or lowest_of_negative < -FLAGGED)  # NaN is neither
