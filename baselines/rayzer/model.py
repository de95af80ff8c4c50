"""The settings of a RayZer: its sizes, and the choices that the ablations of the paper's Tables 6 to 8 change."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from evalkit.training.options import Count, ModelOptions, NotNegative, PixelLoss, Share


class Split(NamedTuple):
    """How many views of a clip the scene is built from, and how many are rendered."""

    contexts: Annotated[int, Field(ge=2)]
    targets: Count

    @property
    def views(self) -> int:
        """All views of the clip."""
        return self.contexts + self.targets


class RayZerModel(ModelOptions):
    """What a RayZer is built from, and its training objective. `recipes/` holds the sizes.

    ``positions``, ``head_deviation``, ``head_scale``, ``crop_stage``, ``crop_margin`` and ``cameras_frozen_until`` are
    ours, for small models (docs/training.md); neither paper nor code have them.
    """

    patch: Annotated[Count, Field(description="Side of a patch, in pixels.")]
    width: Annotated[Count, Field(description="Channels of a token.")]
    heads: Annotated[Count, Field(description="Attention heads of a layer.")]
    camera_layers: Annotated[Count, Field(description="Layers of the camera stage.")]
    scene_layers: Annotated[Count, Field(description="Layers of the scene stage.")]
    decoder_layers: Annotated[Count, Field(description="Layers of the renderer; unused with decoder=gaussians.")]
    scene_tokens: Annotated[Count, Field(description="Tokens of a scene; unused with decoder=gaussians.")]
    splits: Annotated[
        tuple[Split, ...],
        Field(min_length=1, description="[context, target] counts of views of a clip; each step draws one pair."),
    ]
    canonical: Annotated[
        Literal["middle", "first"], Field(description="The view whose pose is the identity (Table 8).")
    ] = "middle"
    pose: Annotated[
        Literal["se3_rays", "se3_mlp", "latent"],
        Field(
            description="Cameras as Plücker rays, cameras through an MLP (Table 7, 2), or camera tokens (Table 7, 3)."
        ),
    ] = "se3_rays"
    order: Annotated[
        Literal["camera_first", "scene_first"], Field(description="Which stage comes first (Table 7, 4).")
    ] = "camera_first"
    decoder: Annotated[
        Literal["tokens", "gaussians"],
        Field(description="A transformer over scene tokens, or Gaussians and a rasteriser (Table 7, 1)."),
    ] = "tokens"
    objective: Annotated[
        Literal["images", "poses"],
        Field(description="Images of target views, or true poses, which train the camera stage alone (Table 6)."),
    ] = "images"
    pixel: Annotated[PixelLoss, Field(description="Loss of pixels: squared or absolute error.")]
    perceptual: Annotated[NotNegative, Field(description="Weight of LPIPS beside the pixel loss; 0: none.")]
    positions: Annotated[
        Literal["sines", "rotary"], Field(description="Position codes of patches in the camera stage (`codes`).")
    ]
    head_deviation: Annotated[
        float,
        Field(gt=0, description="Standard deviation of the camera head's first weights; small: one axis is learnt."),
    ]
    head_scale: Annotated[
        float, Field(gt=0, description="Factor on the camera head's output; small: smaller first steps.")
    ]
    crop_stage: Annotated[
        Share, Field(description="Share of the training, at its start, in which cameras learn from crops of one frame.")
    ] = 0.0
    crop_margin: Annotated[
        int, Field(ge=0, description="Pixels by which a crop is smaller than a frame, each side.")
    ] = 0
    cameras_frozen_until: Annotated[
        Share,
        Field(description="Share of the training until which, after that stage, only the rest of the model learns."),
    ] = 0.0

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
    def _first_stages_need_cameras(self) -> Self:
        explicit = self.objective == "images" and self.pose != "latent" and self.order == "camera_first"
        if (self.crop_stage or self.cameras_frozen_until) and not explicit:
            raise ValueError(
                "crop_stage and cameras_frozen_until need cameras: expected camera_first, no latent, or 0 for both"
            )
        if self.crop_stage and not 0 < 2 * self.crop_margin < self.resolution:
            raise ValueError(
                f"crop_margin: expected more than 0, less than half of {self.resolution} pixels, got {self.crop_margin}"
            )
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
