"""`evalkit transfer`: the camera motion of one clip, rendered in the scene of another, as an animation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from evalkit.config.compose import compose_runs
from evalkit.config.run import RunConfig
from evalkit.console import console
from evalkit.data.dataset import Dataset
from evalkit.data.stored.folder import load_clip
from evalkit.device import resolve_device
from evalkit.errors import SampleError, UserError, did_you_mean
from evalkit.method import Method
from evalkit.pixels import Preprocess, Profile
from evalkit.run.pictures import CAPTION, picture
from evalkit.run.session import Session
from evalkit.views import Frames, Views

CONTEXT, TARGETS = 5, 5  # views of a scene; views whose poses are estimated together
WINDOW = 33  # frames of a dataset's sequence, from its first on
RESOLUTION = 256  # pixels, where neither the method nor the user says another
SIDE = 192  # pixels of a panel
FRAMES_PER_SECOND = 8
TITLES = ("motion: {a}", "its motion here", "scene: {b}")


@dataclass(frozen=True)
class Request:
    """What to animate: ``frames`` poses of clip ``motion`` in clip ``scene``, at ``resolution`` pixels, into ``out``.

    ``resolution`` None is the method's own; ``preprocess`` says how frames become squares.
    """

    motion: str
    scene: str
    out: Path
    frames: int
    resolution: int | None
    preprocess: str


def animate(request: Request, overrides: Sequence[str]) -> None:
    """Write a GIF of three panels: the clip that gives the motion, the transfer, a frame of the scene.

    Raises UserError for a file name, a clip or a setting that does not fit.
    """
    if request.out.suffix.lower() != ".gif":
        raise UserError(f"{request.out}: expected a name that ends in .gif")
    config, session = _config(overrides), Session()
    device = resolve_device(config.device).name
    method = session.method(config.baseline, device)
    preprocess = _preprocess(request, method)
    dataset = session.dataset(config.dataset, device)
    motion, scene = (clip_of(name, config, dataset, preprocess) for name in (request.motion, request.scene))
    rendered = transferred(method, motion, scene, request.frames, torch.device(device))
    moving, fixed = motion.take(spread(len(motion.numbers), request.frames)), reference_frame(scene)
    panels = (moving.images, rendered.cpu(), fixed.images.expand_as(rendered))
    titles = [title.format(a=Path(request.motion).name, b=Path(request.scene).name) for title in TITLES]
    write_gif(request.out, panels, titles)
    console().print(f"{request.out}", soft_wrap=True, highlight=False)


def _config(overrides: Sequence[str]) -> RunConfig:
    """Settings of the method, the dataset and the device; no protocol and no oracle has a part in a transfer."""
    for text in overrides:
        if text.startswith(("protocol", "oracle")):
            raise UserError(f"{text}: evalkit transfer uses no protocol and no oracle; see --resolution, --preprocess")
    named = any(text.startswith("baseline=") for text in overrides)
    configs = compose_runs([*overrides] if named else ["baseline=xfactor", *overrides])
    if len(configs) != 1:
        raise UserError("evalkit transfer renders one clip with one baseline: no commas here")
    return configs[0]


def _preprocess(request: Request, method: Method) -> Preprocess:
    if request.preprocess not in list(Profile):
        raise UserError(f"--preprocess {request.preprocess}: unknown{did_you_mean(request.preprocess, list(Profile))}")
    own = method.card.resolution
    if own is not None and request.resolution not in (None, own):
        raise UserError(f"baseline '{method.card.name}' works at --resolution {own} only")
    return Preprocess(own or request.resolution or RESOLUTION, Profile(request.preprocess))


def clip_of(name: str, config: RunConfig, dataset: Dataset, preprocess: Preprocess) -> Frames:
    """Read a folder, a video, or the first frames of a sequence of the dataset."""
    try:
        if Path(name).exists():
            return load_clip(Path(name), preprocess)
        sequences = {sequence.name: sequence for sequence in dataset.sequences()}
        if name not in sequences:
            raise UserError(f"{name}: no such file or folder, and no sequence of dataset={config.dataset.name}")
        start, end = sequences[name].segments[0]
        return dataset.frames(name, range(start, min(end, start + WINDOW)), preprocess)
    except SampleError as error:
        raise UserError(str(error)) from error


def transferred(method: Method, motion: Frames, scene: Frames, frames: int, device: torch.device) -> Tensor:
    """Render ``scene`` at ``frames`` poses of ``motion``: [frames, 3, H, W].

    A few poses are encoded at a time, always with the same context of ``motion``.
    """
    for clip in (motion, scene):
        if len(clip.numbers) < CONTEXT:
            raise UserError(f"a clip has {len(clip.numbers)} frames: expected {CONTEXT} or more")
    views = Views.of([scene.take(spread(len(scene.numbers), CONTEXT))], ["transfer"], method.card.needs, device)
    all_views = torch.arange(CONTEXT, device=device)[None]
    built = method.encode_scene(views, method.encode_poses(views, all_views))
    context, targets = spread(len(motion.numbers), CONTEXT), spread(len(motion.numbers), frames)
    parts = []
    for start in range(0, frames, TARGETS):
        some = targets[max(min(start, frames - TARGETS), 0) : start + TARGETS]
        order = sorted([(n, 0) for n in context] + [(n, 1) for n in some])
        views = Views.of([motion.take([n for n, _ in order])], ["transfer"], method.card.needs, device)
        positions = [
            torch.tensor([[i for i, (_, kind) in enumerate(order) if kind == wanted]], device=device)
            for wanted in (0, 1)
        ]
        poses = method.encode_poses(views, positions[0]).take(positions[1]).carried()
        new = min(frames - start, TARGETS)
        parts.append(method.render(built, poses)[0, -new:])
    return torch.cat(parts)


def spread(count: int, wanted: int) -> list[int]:
    """``wanted`` positions equally spaced on 0 to ``count`` - 1."""
    return [round(position) for position in torch.linspace(0, count - 1, wanted).tolist()]


def reference_frame(clip: Frames) -> Frames:
    """The frame that transferred poses are relative to: the middle one of the context."""
    return clip.take([spread(len(clip.numbers), CONTEXT)[CONTEXT // 2]])


def write_gif(out: Path, panels: Sequence[Tensor], titles: Sequence[str]) -> None:
    """Write panels [T, 3, H, W] side by side, played forwards and then backwards."""
    images = [_image([panel[t] for panel in panels], titles) for t in range(len(panels[0]))]
    images += images[-2:0:-1]
    out.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(out, save_all=True, append_images=images[1:], duration=1000 // FRAMES_PER_SECOND, loop=0)


def _image(panels: Sequence[Tensor], titles: Sequence[str]) -> Image.Image:
    """One frame of the animation: panels [3, H, W] with their titles."""
    image = Image.new("RGB", (SIDE * len(panels), SIDE + CAPTION), "white")
    draw = ImageDraw.Draw(image)
    for i, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        image.paste(picture(panel[None]).resize((SIDE, SIDE), Image.Resampling.BICUBIC), (SIDE * i, CAPTION))
        draw.text((SIDE * i + 4, 2), title, fill="black")
    return image
