"""Controls that state a camera motion without looking at the images."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.controls.cards import ControlOptions, DollyBaseline, NoMotionBaseline
from baselines.controls.copies import TimedImages, reference_image, repeated
from evalkit.method import PoseCode, Scene, reference_of
from evalkit.views import Cameras, Views, take_views


class NoMotion(NoMotionBaseline):
    """States that the camera never moves; shows the reference frame."""

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """Every camera is the reference."""
        return PoseCode(cameras=Cameras(_identity(views), None))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the reference frame."""
        return reference_image(views)

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return the reference frame for every pose."""
        assert isinstance(scene, Tensor) and poses.cameras is not None
        return repeated(scene, poses.cameras.w2c.shape[1])


class Dolly(DollyBaseline):
    """States that the camera moves straight ahead, one unit a frame; shows the context frame nearest in time."""

    def __init__(self, options: ControlOptions, device: str) -> None:
        pass

    def encode_poses(self, views: Views, context: Tensor) -> PoseCode:
        """One unit forward a frame, from the reference on."""
        assert views.frame_numbers is not None
        reference = take_views(views.frame_numbers, reference_of(context)[:, None])
        w2c = _identity(views)
        w2c[..., 2, 3] = (reference - views.frame_numbers).to(w2c)
        return PoseCode(cameras=Cameras(w2c, None))

    def encode_scene(self, views: Views, poses: PoseCode) -> Scene:
        """Keep the images with the positions of their cameras along the line."""
        assert poses.cameras is not None
        return TimedImages(views.images, poses.cameras.w2c[..., 2, 3])

    def render(self, scene: Scene, poses: PoseCode) -> Tensor:
        """Return the image of the nearest camera, the earlier of two."""
        assert isinstance(scene, TimedImages) and poses.cameras is not None
        return scene.nearest(poses.cameras.w2c[..., 2, 3])


def _identity(views: Views) -> Tensor:
    """Identity matrices [B, V, 4, 4], one a view."""
    return torch.eye(4, device=views.images.device).repeat(*views.images.shape[:2], 1, 1)
