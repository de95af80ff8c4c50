"""The samples of a list that the released evaluation scripts score."""

from __future__ import annotations

from evalkit.errors import UserError


def evaluated_by_released_code(n: int, world_size: int, batch: int) -> list[int]:
    """Positions, ascending, of the samples that inference.py of RayZer and LVSM scores of a list of n.

    DistributedSampler(shuffle=True, seed 0, epoch 0) shuffles the list, pads it to a multiple of the number of
    processes, and gives each process every ``world_size``-th sample. DataLoader(drop_last=True) then drops the last
    incomplete batch of each process. With the command in RayZer's README (8 GPUs, batches of 4), 128 of 140 scenes
    are scored, and 6464 of LVSM's 6474.

    >>> len(evaluated_by_released_code(140, world_size=8, batch=4))
    128
    """
    import torch

    if min(n, world_size, batch) < 1:
        raise UserError(f"n={n}, world_size={world_size}, batch={batch}: expected each to be at least 1")
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0)).tolist()
    share = -(-n // world_size)
    padded = (order * -(-share * world_size // n))[: share * world_size]
    whole = share - share % batch
    return sorted({position for rank in range(world_size) for position in padded[rank::world_size][:whole]})
