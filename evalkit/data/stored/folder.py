"""A folder of image sequences and videos, with or without cameras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from evalkit.card import Need
from evalkit.data.shapes import SHAPES, shape_named
from evalkit.data.stored.base import StoredDataset, StoredOptions, StoredSequence, errors_named
from evalkit.data.stored.camera_files import find_cameras, has_cameras
from evalkit.data.stored.camera_files.table import CameraTable
from evalkit.data.stored.frame import StoredFrame
from evalkit.data.stored.images import IMAGE_SUFFIXES, natural_key, read_image
from evalkit.data.stored.video import VIDEO_SUFFIXES, frame_count, read_frames
from evalkit.errors import SampleError, UserError
from evalkit.pixels import Preprocess

if TYPE_CHECKING:
    from evalkit.views import Frames


class FolderOptions(StoredOptions):
    """Settings of folder."""

    name: str = "folder"
    profile: Annotated[
        str, Field(description=f"Clip shape: view counts and windows that protocols use. One of {', '.join(SHAPES)}.")
    ] = "clip"


@dataclass(frozen=True, kw_only=True)
class FolderSequence(StoredSequence):
    """Images with paths relative to ``folder``, or one video."""

    folder: Path
    images: tuple[str, ...] = ()
    video: Path | None = None
    cameras: CameraTable | None = None

    def frame_name(self, number: int) -> str:
        """Name a frame by its file, where it has one of its own."""
        return super().frame_name(number) if self.video is not None else f"{self.name}/{self.images[number]}"


class Folder(StoredDataset[FolderSequence]):
    """Your own frames: DIR/<sequence>/<images> or video files, with cameras where a camera file is found."""

    Options = FolderOptions
    layout = "DIR/<sequence>/<images> or videos"

    def __init__(self, options: FolderOptions, device: str) -> None:
        self.clip_shape = shape_named(options.profile)
        super().__init__(options, device)

    def find(self) -> list[Path]:
        """Return the sequences in ``root``, or ``root`` itself where it is one, and note what is ignored."""
        children = sorted(child for child in self.root.iterdir() if not child.name.startswith("."))
        folders = [child for child in children if child.is_dir()]
        sequences = [child for child in folders if _is_sequence(child)]
        videos = [child for child in children if _is_video(child)]
        images = _images_in(self.root, ".")
        if has_cameras(self.root) or _images_in(self.root, "images") or (images and not sequences and not videos):
            ignored = [child.name for child in (*sequences, *videos) if child.name != "images"]
            if ignored:
                self.note(f"{self.root.name} is one sequence; ignored beside its frames: {', '.join(ignored)}")
            return [self.root]
        for child in folders:
            if child not in sequences:
                self.note(f"ignored, a folder without frames: {child.name}")
        if images:
            self.note(f"ignored, beside the sequences: {len(images)} images")
        return [*sequences, *videos]

    def open(self, name: str, path: Path) -> FolderSequence:
        """Count the frames of a folder or video and read its camera file."""
        if not path.is_dir():
            return FolderSequence(name=name, length=frame_count(path), files=(path,), folder=path.parent, video=path)
        cameras = find_cameras(path)
        if cameras is not None:
            return _posed_sequence(name, path, cameras)
        nested, loose = _images_in(path, "images"), _images_in(path, ".")
        notes = (f"{name}: {len(loose)} images beside images/ ignored",) if nested and loose else ()
        images = tuple(nested or loose)
        files = tuple(path / image for image in images)
        return FolderSequence(name=name, length=len(images), files=files, notes=notes, folder=path, images=images)

    def read_frame(self, sequence: FolderSequence, number: int) -> StoredFrame:
        """Read one image, with its camera where there is one."""
        image = read_image(sequence.folder / sequence.images[number])
        if sequence.cameras is None:
            return StoredFrame(image)
        intrinsics = sequence.cameras.intrinsics(number, image.width, image.height)
        return StoredFrame(image, intrinsics, sequence.cameras.w2c(number))

    def read_frames(self, sequence: FolderSequence, numbers: Sequence[int]) -> Iterator[tuple[int, StoredFrame]]:
        """Read images one by one, and frames of a video in one pass."""
        if sequence.video is None:
            yield from super().read_frames(sequence, numbers)
            return
        with errors_named(sequence.name):
            for number, image in read_frames(sequence.video, numbers):
                yield number, StoredFrame(image)


class _OneClip(Folder):
    """One folder of images, or one video, whatever lies beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(FolderOptions(root=str(path.parent)), "cpu")

    def find(self) -> list[Path]:
        return [self.root / self._path.name]

    def load(self, preprocess: Preprocess) -> Frames:
        name = self._path.name
        return self.frames(name, range(self.length(name)), preprocess)


def load_clip(path: Path, preprocess: Preprocess) -> Frames:
    """Read all frames of one folder or video as one clip, in order, with cameras if there is a camera file.

    Raises UserError, on one line, where that is not possible.
    """
    if not (_is_video(path) or (path.is_dir() and _is_sequence(path))):
        raise UserError(f"no frames in '{path}', expected a folder of images or a video")
    try:
        return _OneClip(path.resolve() if path.is_dir() else path).load(preprocess)
    except SampleError as error:
        raise UserError(str(error)) from error


def _is_sequence(folder: Path) -> bool:
    return has_cameras(folder) or bool(_images_in(folder, "images") or _images_in(folder, "."))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def _images_in(folder: Path, subfolder: str) -> list[str]:
    """Image files directly in ``folder/subfolder``, as paths relative to ``folder``, in natural order."""
    if not (folder / subfolder).is_dir():
        return []
    images = (path for path in (folder / subfolder).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    names = [path.relative_to(folder).as_posix() for path in images if path.name[0] != "." and not path.is_dir()]
    return sorted(names, key=natural_key)


def _posed_sequence(name: str, folder: Path, cameras: CameraTable) -> FolderSequence:
    """A sequence made of the frames that its camera file lists."""
    listed = set(cameras.images)
    present = {image for parent in _parents(listed) for image in _images_in(folder, parent)}
    unposed, absent = present - listed, [image for image in listed if not (folder / image).is_file()]
    if len(absent) == len(listed):
        raise SampleError(f"{cameras.name}: none of its {len(listed)} images exists")
    notes = []
    if unposed:
        notes.append(f"{name}: {len(unposed)} images without a camera in {cameras.name} are left out")
    if absent:
        notes.append(f"{name}: {len(absent)} images of {cameras.name} do not exist; samples with them will fail")
    return FolderSequence(
        name=name,
        length=len(cameras.images),
        files=(*(folder / image for image in cameras.images), *cameras.sources),
        provides=frozenset({Need.CAMERAS, Need.INTRINSICS}),
        segments=cameras.segments,
        notes=tuple(notes),
        folder=folder,
        images=cameras.images,
        cameras=cameras,
    )


def _parents(images: Iterable[str]) -> set[str]:
    return {Path(image).parent.as_posix() for image in images}
