"""The three networks of RUST: scene encoder, pose estimator, decoder.

There is no official code, and of the paper (arXiv 2211.14306) only the abstract, the project page and citations were
available. They say: the input has no poses; an estimator gets half of the target and a part of the scene tokens, and
outputs a pose of 8 numbers; a decoder gets pixel coordinates and that pose.

All sizes are those of the improved SRT (OSRT, arXiv 2206.06922, appendix A.4, as in stelzner/srt): three blocks of two
3x3 convolutions without biases, the second with stride 2, from 96 channels; 5 layers of 768 channels, 12 heads, MLP
1536; a decoder with an MLP on its queries, 2 layers with queries of 180 channels, and a colour MLP of four hidden
layers of 1536; 15 octaves.

From SRT (arXiv 2111.13152): a learnt embedding that marks the reference view, N(0, 1/width), and a sigmoid at the end.

Chosen here: Fourier features of the position of a token, added to it (SRT learns them; improved SRT uses rays instead);
in the estimator, cross-attention before self-attention, as many pairs of the two as the encoder has layers (5);
normalised memory; centred images; first weights that keep the size of signals and render a grey image. Without the
last two, tokens differ too little from each other in the first steps.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.nn.cross import CrossBlock
from baselines.nn.fourier import fourier, pixel_coordinates
from baselines.rust.model import RustModel


class Pose(NamedTuple):
    """Latent poses [B, T, latent], and their features [B, T, width]: the pooled tokens, input of the last layer."""

    latent: Tensor
    features: Tensor


class ImageTokens(nn.Module):
    """An image as a grid of tokens, an eighth of its size, with the position of each in the view."""

    def __init__(self, model: RustModel) -> None:
        super().__init__()
        self.grid, self.octaves = model.grid, model.octaves
        layers: list[nn.Module] = []
        channels_in, channels = 3, model.channels
        for _ in range(3):
            layers += [nn.Conv2d(channels_in, channels, 3, padding=1, bias=False), nn.ReLU()]
            layers += [nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False), nn.ReLU()]
            channels_in, channels = 2 * channels, 2 * channels
        self.convolutions = nn.Sequential(*layers)
        self.patch = nn.Linear(channels_in, model.width)
        self.place = nn.Linear(4 * model.octaves, model.width, bias=False)

    def forward(self, images: Tensor, first_column: Tensor | None = None) -> Tensor:
        """Images [N, 3, H, W] -> tokens [N, H/8 * W/8, width].

        ``first_column`` [N]: for images that are a part of a view, the column of tokens at which they begin.
        """
        cells = self.convolutions(2 * images - 1)
        row, column = (torch.arange(size, device=images.device) for size in cells.shape[-2:])
        number = (self.grid * row[:, None] + column).flatten().expand(len(images), -1)
        if first_column is not None:
            number = number + first_column[:, None]
        place = fourier(pixel_coordinates(number, self.grid, self.grid), self.octaves)
        tokens: Tensor = self.patch(cells.flatten(2).transpose(1, 2)) + self.place(place)
        return tokens


class SceneEncoder(nn.Module):
    """Views without poses -> the set-latent scene representation; only the reference view is marked."""

    def __init__(self, model: RustModel) -> None:
        super().__init__()
        self.tokens = ImageTokens(model)
        self.reference, self.other = (nn.Parameter(torch.randn(model.width) * model.width**-0.5) for _ in range(2))
        self.blocks = nn.ModuleList(
            CrossBlock(model.width, model.width, model.heads, model.hidden) for _ in range(model.encoder_layers)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Views [B, C, 3, H, W] of which C // 2 is the reference -> tokens [B, C, tokens of a view, width]."""
        count = images.shape[1]
        is_reference = (torch.arange(count, device=images.device) == count // 2)[:, None, None]
        tokens: Tensor = self.tokens(images.flatten(0, 1)).unflatten(0, (-1, count))
        tokens = (tokens + torch.where(is_reference, self.reference, self.other)).flatten(1, 2)
        for block in self.blocks:
            tokens = block(tokens, tokens)
        return torch.unflatten(tokens, 1, (count, -1))


class PoseEstimator(nn.Module):
    """Half of a target and the scene tokens of the reference view -> the latent pose of the target."""

    def __init__(self, model: RustModel) -> None:
        super().__init__()
        self.tokens = ImageTokens(model)
        self.middle = model.grid // 2
        self.reading, self.thinking = (
            nn.ModuleList(
                CrossBlock(model.width, model.width, model.heads, model.hidden) for _ in range(model.pose_layers)
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(model.width)
        self.head = nn.Linear(model.width, model.latent)

    def forward(self, halves: Tensor, right: Tensor, reference: Tensor) -> Pose:
        """Halves [B, T, 3, H, W/2], whether each is the right one [B, T], and tokens [B, N, width] -> poses [B, T].

        Targets do not see each other.
        """
        shape = halves.shape[:2]
        tokens = self.tokens(halves.flatten(0, 1), self.middle * right.flatten().long())
        for reading, thinking in zip(self.reading, self.thinking, strict=True):
            # Cross-attention does not mix tokens: all targets of a clip attend to one memory at once.
            joined = tokens.unflatten(0, shape).flatten(1, 2)
            tokens = reading(joined, reference).unflatten(1, (shape[1], -1)).flatten(0, 1)
            tokens = thinking(tokens, tokens)
        pooled = self.norm(tokens).mean(1).unflatten(0, shape)
        return Pose(self.head(pooled), pooled)


class Decoder(nn.Module):
    """The coordinates of a pixel and the pose of its view, cross-attending to the scene -> its colour."""

    def __init__(self, model: RustModel) -> None:
        super().__init__()
        self.octaves, self.size = model.octaves, model.resolution
        width, colour = model.decoder_width, model.colour_width
        self.query = nn.Sequential(
            nn.Linear(4 * model.octaves + model.latent, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )
        self.blocks = nn.ModuleList(
            CrossBlock(width, model.width, model.heads, model.hidden) for _ in range(model.decoder_layers)
        )
        layers: list[nn.Module] = [nn.Linear(width, colour), nn.ReLU()]
        for _ in range(3):
            layers += [nn.Linear(colour, colour), nn.ReLU()]
        self.colour, self.last = nn.Sequential(*layers), nn.Linear(colour, 3)

    def forward(self, latent: Tensor, pixels: Tensor, scene: Tensor) -> Tensor:
        """Poses [B, T, latent], row-major pixel numbers [B, T, K] and scene [B, N, width] -> colours [B, T, K, 3].

        Colours lie in [0, 1].
        """
        place = fourier(pixel_coordinates(pixels, self.size, self.size), self.octaves)
        posed_pixels = torch.cat([place, latent[:, :, None].expand(-1, -1, place.shape[2], -1)], dim=-1)
        queries = self.query(posed_pixels).flatten(1, 2)
        for block in self.blocks:
            queries = block(queries, scene)
        return torch.unflatten(self.last(self.colour(queries)).sigmoid(), 1, pixels.shape[1:])


class RustNetwork(nn.Module):
    """Encoder, estimator, decoder. In the published sizes (128 pixels, 15 octaves, latent 8) 93,948,311 parameters."""

    def __init__(self, model: RustModel) -> None:
        super().__init__()
        self.encoder = SceneEncoder(model)
        self.estimator = PoseEstimator(model)
        self.decoder = Decoder(model)
        self.apply(initialise)
        nn.init.normal_(self.decoder.last.weight, std=0.01)

    def scene(self, images: Tensor) -> Tensor:
        """Scene tokens [B, C, N, width] of context views [B, C, 3, H, W]."""
        tokens: Tensor = self.encoder(images)
        return tokens

    def pose(self, halves: Tensor, right: Tensor, scene: Tensor) -> Pose:
        """Poses [B, T] of half views in a scene of `scene`; see `PoseEstimator`."""
        pose: Pose = self.estimator(halves, right, scene[:, scene.shape[1] // 2])
        return pose

    def colours(self, latent: Tensor, pixels: Tensor, scene: Tensor) -> Tensor:
        """Colours [B, T, K, 3] of pixels in a scene of `scene`; see `Decoder`."""
        colours: Tensor = self.decoder(latent, pixels, scene.flatten(1, 2))
        return colours


def initialise(module: nn.Module) -> None:
    """Draw weights that keep the size of signals: of variance 1 / inputs (Flax), and 2 / inputs before a ReLU (He)."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def halves_of(images: Tensor, right: Tensor) -> Tensor:
    """The right half of those images [B, T, 3, H, W] where ``right`` [B, T], the left half of the others."""
    left_half, right_half = images.chunk(2, dim=-1)
    return torch.where(right[:, :, None, None, None], right_half, left_half)
