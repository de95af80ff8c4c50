"""The two networks of XFactor: a pose encoder and a renderer, transformers over several views (appendix; code)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from baselines.nn.attention import HeadNorm, attend, merge_heads, split_heads
from baselines.nn.patches import patchify, unpatchify
from baselines.nn.rope import GridRope, Rotation
from baselines.xfactor.cameras import CAMERA_NUMBERS, camera_of, ray_tokens
from baselines.xfactor.model import XFactorModel

LAYER_SCALE = 0.01
NORM_EPS = 1e-6


class Mlp(nn.Sequential):
    """Linear layers of these widths with GELU (tanh) between them."""

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [linear(before, after), nn.GELU("tanh")]
        super().__init__(*layers[:-1])


def linear(before: int, after: int, bias: bool = True) -> nn.Linear:
    """A linear layer, Xavier-uniform."""
    layer = nn.Linear(before, after, bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.normal_(layer.bias, std=1e-6)
    return layer


class ViewsAttention(nn.Module):
    """Attention among the tokens of all views and, in parallel, within each view; one projection for both."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = linear(width, 6 * width, bias=False)
        self.norms = nn.ModuleList([HeadNorm(width // heads, heads) for _ in range(4)])
        self.merge = linear(2 * width, width)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        """Tokens ``x`` [N, V, T, C] -> [N, V, T, C]; ``rotation`` [N, 1, 1, T, C / heads] or one that broadcasts."""
        count = x.shape[1]
        parts = [split_heads(part, self.heads) for part in self.project(x).chunk(6, dim=-1)]  # [N, V, heads, T, c]
        query, key, view_query, view_key = (
            rotation(norm(part)) for norm, part in zip(self.norms, (parts[0], parts[1], *parts[3:5]), strict=True)
        )
        attended = attend(*(_views_joined(part) for part in (query, key, parts[2])))
        across_views = merge_heads(attended).unflatten(1, (count, -1))
        within_view = merge_heads(attend(view_query, view_key, parts[5]))
        merged: Tensor = self.merge(torch.cat([across_views, within_view], dim=-1))
        return merged


def _views_joined(x: Tensor) -> Tensor:
    """[N, V, heads, T, c] -> [N, heads, V * T, c]."""
    return x.transpose(1, 2).flatten(2, 3)


class Layer(nn.Module):
    """Attention and an MLP, each with a norm before and a learnt scale after; a GELU before the MLP (code)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width, NORM_EPS, bias=False)
        self.attention = ViewsAttention(width, heads)
        self.between = nn.LayerNorm(width, NORM_EPS)
        self.mlp = Mlp(width, 4 * width, width)
        self.scales = nn.ParameterList([torch.full((width,), LAYER_SCALE) for _ in range(2)])

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        """Keep the shape of ``x`` [N, V, T, C]."""
        x = x + self.scales[0] * self.attention(self.before(x), rotation)
        hidden = nn.functional.gelu(self.between(x), approximate="tanh")
        out: Tensor = x + self.scales[1] * self.mlp(hidden)
        return out


class PoseEncoder(nn.Module):
    """Poses of views relative to the first of them, from images alone."""

    def __init__(self, model: XFactorModel) -> None:
        super().__init__()
        width, self.patch, self.tokens = model.width, model.patch, model.pose_tokens
        self.embed = linear(3 * model.patch**2, width)
        self.pose_tokens = nn.Parameter(0.02 * torch.randn(model.pose_tokens, width))
        self.layers = nn.ModuleList([Layer(width, model.heads) for _ in range(model.encoder_layers)])
        self.norm = nn.LayerNorm(width, NORM_EPS)
        self.head = Mlp(2 * width, 4 * width, width, model.pose_dim if model.pose == "latent" else CAMERA_NUMBERS)
        self.rope = GridRope(width // model.heads, model.grid, model.grid)

    def forward(self, images: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Poses [N, S, V, P], exactly 0 for view 0, and features [N, S, V, 2 C], the input of their head.

        Args:
            images: [N, V, 3, H, W] in [-1, 1].
            segments: S disjoint sets of K patches [N, S, K]; each gets poses of its own, from its own patches alone.
        """
        patches = folded(patchify(images, self.patch), segments)  # [N S, V, K, 3 p p]
        learnt = self.pose_tokens.expand(*patches.shape[:2], -1, -1)
        x = torch.cat([self.embed(patches), learnt.to(patches.dtype)], dim=2)
        rotation = rotation_of(self.rope, segments, extra=self.tokens)
        for layer in self.layers:
            x = layer(x, rotation)
        token = nn.functional.gelu(self.norm(x[:, :, -self.tokens]), approximate="tanh")
        first = token[:, :1].expand_as(token)
        features = torch.cat([token, first], dim=-1)
        poses = self.head(features) - self.head(torch.cat([first, first], dim=-1))
        split = (len(images), -1)
        return poses.unflatten(0, split), features.unflatten(0, split)


class Renderer(nn.Module):
    """Renders the last of several views from the images of the others and the poses of all."""

    def __init__(self, model: XFactorModel) -> None:
        super().__init__()
        width, self.model = model.width, model
        pose = model.pose_dim if model.pose == "latent" else 6 * model.patch**2
        self.context = Mlp(3 * model.patch**2 + pose, 4 * width, width)
        self.target = Mlp(pose, 4 * width, width)
        self.layers = nn.ModuleList([Layer(width, model.heads) for _ in range(model.render_layers)])
        self.norm = nn.LayerNorm(width, NORM_EPS)
        self.head = Mlp(width, 4 * width, width, 3 * model.patch**2)
        self.rope = GridRope(width // model.heads, model.grid, model.grid)

    def forward(self, context: Tensor, poses: Tensor, segments: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [0, 1] of the last view.

        Args:
            context: images [N, V - 1, 3, H, W] in [-1, 1].
            poses: of all views, [N, S, V, P].
            segments: [N, S, K]; each is rendered from the patches of the context in the same segment.
        """
        patches = folded(patchify(context, self.model.patch), segments)  # [N S, V - 1, K, 3 p p]
        pose = self._pose_tokens(poses, segments).flatten(0, 1)  # [N S, V, K or 1, p]
        pose = pose.expand(-1, -1, patches.shape[2], -1).to(patches.dtype)
        x = torch.cat([self.context(torch.cat([patches, pose[:, :-1]], dim=-1)), self.target(pose[:, -1:])], dim=1)
        rotation = rotation_of(self.rope, segments, extra=0)
        for layer in self.layers:
            x = layer(x, rotation)
        tokens = self.head(nn.functional.gelu(self.norm(x[:, -1]), approximate="tanh")).float().sigmoid()
        size = self.model.resolution
        return unpatchify(unfolded(tokens, segments), self.model.patch, size, size)

    def _pose_tokens(self, poses: Tensor, segments: Tensor) -> Tensor:
        """The poses as input of each patch: latents [N, S, V, 1, P], or rays [N, S, V, K, 6 p p]."""
        if self.model.pose == "latent":
            return poses.unsqueeze(-2)
        rays = ray_tokens(camera_of(poses), self.model.resolution, self.model.patch)  # [N, S, V, grid^2, 6 p p]
        index = segments[:, :, None, :, None].expand(-1, -1, rays.shape[2], -1, rays.shape[-1])
        return rays.gather(3, index)


class XFactorNetwork(nn.Module):
    """The pose encoder and the renderer."""

    def __init__(self, model: XFactorModel) -> None:
        super().__init__()
        self.encoder, self.renderer = PoseEncoder(model), Renderer(model)


def folded(patches: Tensor, segments: Tensor) -> Tensor:
    """Split patches [N, V, T, c] by ``segments`` [N, S, K]; each segment becomes a sample: [N * S, V, K, c].

    Tokens of different segments then cannot attend to each other. No mask is needed, and half of the work is saved.
    """
    index = segments[:, :, None, :, None].expand(-1, -1, patches.shape[1], -1, patches.shape[-1])
    return patches[:, None].expand(-1, segments.shape[1], -1, -1, -1).gather(3, index).flatten(0, 1)


def unfolded(tokens: Tensor, segments: Tensor) -> Tensor:
    """The inverse of `folded`: put tokens [N * S, K, c] back to their places [N, S * K, c]."""
    index = segments.flatten(1)[..., None].expand(-1, -1, tokens.shape[-1])
    joined = tokens.unflatten(0, segments.shape[:2]).flatten(1, 2)
    return torch.empty_like(joined).scatter(1, index, joined)


def rotation_of(rope: GridRope, segments: Tensor, extra: int) -> Rotation:
    """Rotations [N * S, 1, 1, K + extra, c] of the patches of each segment, then of ``extra`` without a position."""
    grid = rope.cos.shape[0]
    unplaced = torch.arange(grid, grid + extra, device=segments.device).expand(*segments.shape[:2], -1)
    tokens = torch.cat([segments, unplaced], dim=-1).flatten(0, 1)
    return rope.table(extra).take(tokens[:, None, None])


def whole(count: int, patches: int, device: torch.device) -> Tensor:
    """One segment [N, 1, T] of all patches."""
    return torch.arange(patches, device=device).expand(count, 1, -1)
