"""Which samples of a list the released evaluation scripts really score."""

from __future__ import annotations

from evalkit.errors import UserError


def evaluated_by_released_code(n: int, world_size: int, batch: int) -> list[int]:
    """Positions, ascending, of the samples that RayZer's and LVSM's inference.py scores of a list of n.

    DistributedSampler(shuffle=True, seed 0, epoch 0) pads the shuffled list to equal shares and deals it out
    in turn; DataLoader(drop_last=True) then drops each process's last incomplete batch. With the command in
    RayZer's README, 8 GPUs and batches of 4, 128 of 140 scenes are left; of LVSM's 6474, 6464.

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
