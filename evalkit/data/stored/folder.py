"""A folder of image sequences and videos, with or without cameras."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from evalkit.card import Need
from evalkit.config.options import ComponentOptions
from evalkit.data.dataset import SequenceInfo
from evalkit.data.preprocess import adjust_intrinsics, apply, plan
from evalkit.data.stored.camera_files import find_cameras, has_cameras
from evalkit.data.stored.camera_files.table import CameraTable
from evalkit.data.stored.images import IMAGE_SUFFIXES, natural_key, read_image
from evalkit.data.stored.video import VIDEO_SUFFIXES, frame_count, read_frames
from evalkit.errors import SampleError, UserError
from evalkit.pixels import Preprocess
from evalkit.views import Cameras, Frames


class FolderOptions(ComponentOptions):
    """Settings of folder; ``profile`` names the view counts and windows that protocols use on it."""

    root: str | None
    profile: str


class Folder:
    """Your own frames: DIR/<sequence>/<images> or video files, with cameras where a camera file is found.

    ``notes`` says, a line each, what is left out. Raises UserError where there is nothing to read.
    """

    Options = FolderOptions

    def __init__(self, options: FolderOptions, device: str) -> None:
        if options.root is None:
            raise UserError("dataset=folder needs dataset.root=DIR, a folder of <sequence>/<images> or videos")
        root = Path(options.root).expanduser()
        if not root.is_dir():
            raise UserError(f"dataset.root: no folder '{options.root}'")
        try:
            clips, notes = _discover(root)
        except OSError as error:
            raise UserError(f"dataset.root: {error.strerror}: '{error.filename}'") from error
        if not clips:
            raise UserError(f"dataset.root: no frames in '{options.root}', expected DIR/<sequence>/<images> or videos")
        self._clips = {clip.name: clip for clip in sorted(clips, key=lambda clip: clip.name)}
        self._device = device
        has = [clip.cameras is not None for clip in clips if clip.problem is None]
        posed = {Need.CAMERAS, Need.INTRINSICS} if has and all(has) else set()
        self.provides = frozenset({Need.FRAME_NUMBERS, *posed})
        if any(has) and not all(has):
            notes.append(f"cameras are not used: only {sum(has)} of {len(has)} sequences have them")
        self.notes = (*notes, *(note for clip in self._clips.values() for note in clip.notes))

    def sequences(self) -> list[SequenceInfo]:
        """All sequences, sorted by name; one that cannot be read says why."""
        return [SequenceInfo(clip.name, clip.name, clip.segments, clip.problem) for clip in self._clips.values()]

    def frames(self, sequence: str, numbers: Sequence[int], preprocess: Preprocess) -> Frames:
        """Read frames. Raises SampleError, naming the file, where one cannot be read."""
        clip = self._clips.get(sequence)
        if clip is None:
            raise SampleError(f"no sequence '{sequence}' in this folder")
        return clip.load(numbers, preprocess, self._device)

    def digest(self) -> str:
        """SHA-256 of the names and contents of all frames and camera files; where the folder lies is no part of it."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        total = hashlib.sha256()
        for clip in self._clips.values():
            total.update(f"{clip.name}\n{clip.problem}\n".encode())
            for path in clip.paths():
                total.update(f"{path.relative_to(clip.folder).as_posix()} {_content_of(path)}\n".encode())
        return total.hexdigest()


def load_clip(path: Path, preprocess: Preprocess) -> Frames:
    """Read all frames of one folder or video as one clip, in order, with cameras if there is a camera file.

    Raises UserError, one line, for whatever stands in the way.
    """
    if path.is_dir() and _is_sequence(path):
        clip = _open_folder(path.resolve())
    elif path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        clip = _open_video(path)
    else:
        raise UserError(f"no frames in '{path}', expected a folder of images or a video")
    try:
        return clip.load(range(clip.count), preprocess, "cpu")
    except SampleError as error:
        raise UserError(str(error)) from error


@dataclass(frozen=True)
class _Clip:
    """One sequence on disk: images with paths relative to ``folder``, or one video in it."""

    name: str
    folder: Path
    count: int = 0
    files: tuple[str, ...] = ()
    video: Path | None = None
    cameras: CameraTable | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        if self.problem is not None:
            return ()
        return ((0, self.count),) if self.cameras is None else self.cameras.segments

    def paths(self) -> Iterator[Path]:
        """Everything that its frames depend on."""
        yield from (self.folder / file for file in self.files)
        yield from () if self.video is None else (self.video,)
        yield from () if self.cameras is None else self.cameras.sources

    def load(self, numbers: Sequence[int], preprocess: Preprocess, device: str) -> Frames:
        """Read and preprocess frames; each file is decoded once, however often it is asked for."""
        if self.problem is not None:
            raise SampleError(self.problem)
        absent = [number for number in numbers if not 0 <= number < self.count]
        if absent:
            raise SampleError(f"{self.name} has {self.count} frames, no frame {absent[0]}")
        squares = {number: self._square(number, image, preprocess) for number, image in self._pictures(numbers)}
        images = torch.stack([squares[number][0] for number in numbers]).to(device)
        if self.cameras is None:
            return Frames(images, tuple(numbers))
        intrinsics = torch.stack([squares[number][1] for number in numbers])
        cameras = Cameras(self.cameras.w2c[list(numbers)], intrinsics)
        return Frames(images, tuple(numbers), cameras.to(device))

    def _pictures(self, numbers: Iterable[int]) -> Iterator[tuple[int, Image.Image]]:
        if self.video is not None:
            return read_frames(self.video, numbers, self.name)
        return ((i, read_image(self.folder / self.files[i], self._frame_name(i))) for i in sorted(set(numbers)))

    def _square(self, number: int, image: Image.Image, preprocess: Preprocess) -> tuple[Tensor, Tensor]:
        """The pixels and intrinsics of one frame; without cameras, the latter are empty."""
        try:
            pixels = apply(image, preprocess)
            if self.cameras is None:
                return pixels, torch.empty(0)
            stored = self.cameras.intrinsics(number, image.width, image.height)
            return pixels, adjust_intrinsics(stored, plan(image.width, image.height, preprocess))
        except SampleError as error:
            raise SampleError(f"{self._frame_name(number)}: {error}") from error

    def _frame_name(self, number: int) -> str:
        return f"{self.name} frame {number}" if self.video is not None else f"{self.name}/{self.files[number]}"


def _discover(root: Path) -> tuple[list[_Clip], list[str]]:
    """Open the sequences of a folder, or the folder itself as one, and note what is passed over."""
    children = sorted(child for child in root.iterdir() if not child.name.startswith("."))
    folders = [child for child in children if child.is_dir()]
    inner = [child for child in folders if _is_sequence(child)]
    videos = [child for child in children if child.suffix.lower() in VIDEO_SUFFIXES and child.is_file()]
    loose = _images_in(root, ".")
    if has_cameras(root) or _images_in(root, "images") or (loose and not inner and not videos):
        others = [child.name for child in (*inner, *videos) if child.name != "images"]
        one = _open_folder(root.resolve())
        return [one], [f"{one.name} is one sequence; ignored beside its frames: {', '.join(others)}"] if others else []
    notes = [f"ignored, a folder without frames: {child.name}" for child in folders if child not in inner]
    if loose:
        notes.append(f"ignored, beside the sequences: {len(loose)} images")
    return [*map(_open_folder, inner), *map(_open_video, videos)], notes


def _is_sequence(folder: Path) -> bool:
    return has_cameras(folder) or bool(_images_in(folder, "images") or _images_in(folder, "."))


def _images_in(folder: Path, under: str) -> list[str]:
    """Image files right in ``folder/under``, as paths relative to ``folder``, in natural order."""
    place = folder / under
    if not place.is_dir():
        return []
    found = (path for path in place.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    names = [path.relative_to(folder).as_posix() for path in found if path.name[0] != "." and not path.is_dir()]
    return sorted(names, key=natural_key)


def _open_video(path: Path) -> _Clip:
    try:
        count = frame_count(path, path.name)
    except SampleError as error:
        return _Clip(path.name, path.parent, problem=str(error), video=path)
    problem = None if count else f"{path.name}: no frames"
    return _Clip(path.name, path.parent, count, video=path, problem=problem)


def _open_folder(folder: Path) -> _Clip:
    try:
        cameras = find_cameras(folder)
    except SampleError as error:
        return _Clip(folder.name, folder, problem=f"{folder.name}/{error}")
    if cameras is None:
        files = _images_in(folder, "images")
        loose = _images_in(folder, ".")
        notes = [f"{folder.name}: {len(loose)} images beside images/ ignored"] if files and loose else []
        return _Clip(folder.name, folder, len(files or loose), tuple(files or loose), notes=tuple(notes))
    return _with_cameras(folder, cameras)


def _with_cameras(folder: Path, cameras: CameraTable) -> _Clip:
    """A sequence made of the frames that its camera file lists."""
    name, listed = folder.name, set(cameras.files)
    places = {Path(file).parent.as_posix() for file in listed}
    present = {file for place in places for file in _images_in(folder, place)}
    unposed, absent = present - listed, [file for file in listed if not (folder / file).is_file()]
    if len(absent) == len(listed):
        problem = f"{name}/{cameras.name}: none of its {len(listed)} images exists"
        return _Clip(name, folder, problem=problem)
    notes = []
    if unposed:
        notes.append(f"{name}: {len(unposed)} images without a camera in {cameras.name} are left out")
    if absent:
        notes.append(f"{name}: {len(absent)} images of {cameras.name} do not exist; samples with them will fail")
    return _Clip(name, folder, len(cameras.files), cameras.files, cameras=cameras, notes=tuple(notes))


def _content_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"
