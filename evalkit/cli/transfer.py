"""`evalkit transfer`: the camera motion of one clip, rendered in the scene of another, as an animation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from evalkit.cli.console import console
from evalkit.config.compose import compose_runs
from evalkit.config.schema import RunConfig
from evalkit.data.dataset import Dataset
from evalkit.data.stored.folder import load_clip
from evalkit.errors import SampleError, UserError
from evalkit.method import Method
from evalkit.pixels import Preprocess
from evalkit.run.execute import Session, pick_device
from evalkit.run.pictures import CAPTION, picture
from evalkit.views import Frames, Views

CONTEXT, TARGETS = 5, 5  # views: of a scene; whose poses are estimated at once, as in protocol=tps
SIDE = 192  # pixels of a panel
FRAMES_A_SECOND = 8
TITLES = ("motion: {a}", "its motion here", "scene: {b}")


def animate(motion: str, scene: str, out: Path, frames: int, overrides: Sequence[str]) -> None:
    """Render ``frames`` poses of clip ``motion`` in ``scene`` and write a GIF: motion, transfer, scene's reference."""
    if out.suffix.lower() != ".gif":
        raise UserError(f"{out}: expected a name that ends in .gif")
    named = [text for text in overrides if text.startswith("baseline=")] or ["baseline=xfactor"]
    rest = [text for text in overrides if not text.startswith("baseline=")]
    configs = compose_runs(["protocol=tps", "oracle=cameras", *named, *rest])
    if len(configs) != 1:
        raise UserError("evalkit transfer renders one clip with one baseline: no commas here")
    config, session = configs[0], Session()
    device = pick_device(config.device)
    method = session.method(config.baseline, device)
    dataset = session.dataset(config.dataset, device)
    clips = [clip_of(name, config, dataset, method) for name in (motion, scene)]
    rendered = transferred(method, clips[0], clips[1], frames, device)
    moving, still = clips[0].take(spread(len(clips[0].numbers), frames)), reference_frame(clips[1])
    columns = (moving.images, rendered.cpu(), still.images.expand_as(rendered))
    titles = [title.format(a=Path(motion).name, b=Path(scene).name) for title in TITLES]
    write_gif(out, columns, titles)
    console().print(f"{out}", soft_wrap=True, highlight=False)


def clip_of(name: str, config: RunConfig, dataset: Dataset, method: Method) -> Frames:
    """The frames of a folder, a video, or a sequence of the dataset: of that its first window, as long as tps takes."""
    resolution = method.card.resolution or config.protocol.resolution  # type: ignore[attr-defined]
    preprocess = Preprocess(resolution, config.protocol.preprocess)  # type: ignore[attr-defined]
    try:
        if Path(name).exists():
            return load_clip(Path(name), preprocess)
        known = {sequence.name: sequence for sequence in dataset.sequences()}
        if name not in known:
            raise UserError(f"{name}: no such file or folder, and no sequence of dataset={config.dataset.name}")
        start, end = known[name].segments[0]
        return dataset.frames(name, range(start, min(end, start + 33)), preprocess)
    except SampleError as error:
        raise UserError(str(error)) from error


def transferred(method: Method, motion: Frames, scene: Frames, frames: int, device: torch.device) -> Tensor:
    """Renders [frames, 3, H, W] of ``scene`` at the poses of ``motion``, a few at a time beside the same context."""
    count = len(motion.numbers)
    for clip in (motion, scene):
        if len(clip.numbers) < CONTEXT:
            raise UserError(f"a clip has {len(clip.numbers)} frames: expected {CONTEXT} or more")
    around = scene.take(spread(len(scene.numbers), CONTEXT))
    views = Views.of([around], ["transfer"], method.card.needs, device)
    everything = torch.arange(CONTEXT, device=device)[None]
    built = method.encode_scene(views, method.encode_poses(views, everything))
    context, targets = spread(count, CONTEXT), spread(count, frames)
    parts = []
    for start in range(0, frames, TARGETS):
        some = targets[max(min(start, frames - TARGETS), 0) : start + TARGETS]
        order = sorted([(n, 0) for n in context] + [(n, 1) for n in some])
        seen = Views.of([motion.take([n for n, _ in order])], ["transfer"], method.card.needs, device)
        at = [torch.tensor([[i for i, (_, kind) in enumerate(order) if kind == k]], device=device) for k in (0, 1)]
        poses = method.encode_poses(seen, at[0]).take(at[1]).carried()
        new = min(frames - start, TARGETS)
        parts.append(method.render(built, poses)[0, -new:])
    return torch.cat(parts)


def spread(count: int, wanted: int) -> list[int]:
    """``wanted`` positions equally spaced on 0 to ``count`` - 1."""
    return [round(position) for position in torch.linspace(0, count - 1, wanted).tolist()]


def reference_frame(clip: Frames) -> Frames:
    """The frame that transferred poses are relative to: the middle one of the context."""
    return clip.take([spread(len(clip.numbers), CONTEXT)[CONTEXT // 2]])


def write_gif(out: Path, columns: Sequence[Tensor], titles: Sequence[str]) -> None:
    """Write panels [T, 3, H, W] side by side, there and back."""
    pages = [_page([column[t] for column in columns], titles) for t in range(len(columns[0]))]
    pages += pages[-2:0:-1]
    out.parent.mkdir(parents=True, exist_ok=True)
    pages[0].save(out, save_all=True, append_images=pages[1:], duration=1000 // FRAMES_A_SECOND, loop=0)


def _page(panels: Sequence[Tensor], titles: Sequence[str]) -> Image.Image:
    page = Image.new("RGB", (SIDE * len(panels), SIDE + CAPTION), "white")
    draw = ImageDraw.Draw(page)
    for i, (panel, title) in enumerate(zip(panels, titles, strict=True)):
        page.paste(picture(panel[None]).resize((SIDE, SIDE), Image.Resampling.BICUBIC), (SIDE * i, CAPTION))
        draw.text((SIDE * i + 4, 2), title, fill="black")
    return page
