"""The settings of a RayZer: its sizes, and the choices that the paper's Tables 7 and 8 take away one by one."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from evalkit.config.options import Options

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Split(NamedTuple):
    """How many views of a clip the scene is built from, and how many are rendered."""

    contexts: Annotated[int, Field(ge=2)]
    targets: Count

    @property
    def views(self) -> int:
        """All views of the clip."""
        return self.contexts + self.targets


class RayZerModel(Options):
    """Everything that a trained RayZer was built from, and what its objective was.

    ``splits``: (context, target) counts of the clips trained with; each step draws one. ``canonical``: the view whose
    pose is the identity, the middle one of all V (V // 2) or the first. ``pose``: cameras seen as Plücker rays, cameras
    encoded by an MLP (Table 7, 2), or the camera tokens themselves (Table 7, 3). ``order``: cameras before the scene,
    or after it (Table 7, 4). ``decoder``: a transformer over scene tokens, or Gaussians and a rasteriser (Table 7, 1),
    for which ``scene_tokens`` and ``decoder_layers`` mean nothing. ``objective``: the images of target views, or the
    true poses of all (the supervised baseline of Table 6), which trains the camera stage alone and leaves the settings
    of scene, decoder and losses without effect. ``perceptual``: weight of LPIPS beside the ``pixel`` loss, 0 for none.

    The other settings are ours, for small models; neither paper nor code have them. ``positions``: what tells patches
    apart in the camera layers, see `codes`. ``head_deviation``: of the camera head's first weights; where they are
    small, only one axis of motion is learnt. ``head_scale``: a factor on what it says, without which an optimiser's
    first steps throw cameras far apart. ``still``: the share of the training, at its beginning, in which the camera
    stage alone learns, from crops of one frame, ``crop`` pixels smaller at each side, see `still`. ``held``: the share
    until which cameras then stay as they are, for the renderer to learn what their rays mean.
    """

    resolution: Count
    patch: Count
    width: Count
    heads: Count
    camera_layers: Count
    scene_layers: Count
    decoder_layers: Count
    scene_tokens: Count
    splits: Annotated[tuple[Split, ...], Field(min_length=1)]
    canonical: Literal["middle", "first"]
    pose: Literal["se3_rays", "se3_mlp", "latent"]
    order: Literal["camera_first", "scene_first"]
    decoder: Literal["tokens", "gaussians"]
    objective: Literal["images", "poses"]
    pixel: Literal["mse", "l1"]
    perceptual: Annotated[float, Field(ge=0)]
    positions: Literal["sines", "rotary"]
    head_deviation: Annotated[float, Field(gt=0)]
    head_scale: Annotated[float, Field(gt=0)]
    crop: Annotated[int, Field(ge=0)]
    still: Share
    held: Share

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        for name, whole, part in (
            ("resolution", self.resolution, self.patch),
            ("width", self.width, self.heads),
            ("width", self.width, 8),  # sines and cosines of two axes in one half, of the rank in the other
        ):
            if whole % part:
                raise ValueError(f"{name}: expected a multiple of {part}, got {whole}")
        return self

    @model_validator(mode="after")
    def _poses_come_from_cameras_alone(self) -> Self:
        if self.objective == "poses" and (self.pose == "latent" or self.order == "scene_first"):
            raise ValueError("objective=poses has cameras and no scene: expected pose=se3_rays, order=camera_first")
        return self

    @model_validator(mode="after")
    def _gaussians_lie_on_rays(self) -> Self:
        if self.decoder == "gaussians" and (self.pose != "se3_rays" or self.order != "camera_first"):
            raise ValueError("decoder=gaussians needs rays: expected pose=se3_rays, order=camera_first")
        return self

    @model_validator(mode="after")
    def _first_lessons_are_of_cameras(self) -> Self:
        explicit = self.objective == "images" and self.pose != "latent" and self.order == "camera_first"
        if (self.still or self.held) and not explicit:
            raise ValueError("still and held are about cameras: expected camera_first, no latent, or 0 for both")
        if self.still and not 0 < 2 * self.crop < self.resolution:
            raise ValueError(f"crop: expected more than 0, less than half of {self.resolution} pixels, got {self.crop}")
        return self

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.resolution // self.patch

    @property
    def views(self) -> frozenset[int]:
        """Numbers of views that a clip may have."""
        return frozenset(split.views for split in self.splits)

    @property
    def contexts(self) -> frozenset[int]:
        """Numbers of views that a scene may be built from."""
        return frozenset(split.contexts for split in self.splits)

    def canonical_of(self, views: int) -> int:
        """The position of the canonical view among ``views``."""
        return views // 2 if self.canonical == "middle" else 0
