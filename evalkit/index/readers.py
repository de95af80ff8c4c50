"""Read the files of lists, one function for each format. A file that breaks a rule is refused, on one line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, NoReturn

from evalkit.errors import UserError
from evalkit.index.entries import Index, IndexEntry

FIELDS = {"context", "target", "overlap"}
MAX_FRAME = 10_000_000  # 46 hours at 60 frames a second
MAX_NAME = 256
# E-RayZer evaluates the first 97 frames of each scene: np.linspace(0, 96, 10), of which these ranks are input
# (docs/eval.md; erayzer.py, even_I_B).
ERAYZER_FRAMES = tuple(i * 96 // 9 for i in range(10))
ERAYZER_INPUT_RANKS = (0, 2, 4, 6, 9)


class Format(StrEnum):
    """File formats of lists.

    frames: {scene: {"context": [..], "target": [..], "overlap": ..} | null} (pixelSplat and codes based on it)
    frame_lists: {scene: [{"context": .., "target": ..}, ..]}, empty where skipped (MVSplat360)
    numbered: as frames, with keys scene_00, scene_01, ..: several evaluations of one scene (MVSplat, DTU)
    kmeans_16, kmeans_32: [{"scene_name": .., "fold_8_kmeans_16_input": [..], ..}, ..]; the targets are every
        eighth frame (Long-LRM, data/dataset.py, uniform_every)
    erayzer_scenes: one scene on each line; the frames follow from E-RayZer's rule
    """

    FRAMES = "frames"
    FRAME_LISTS = "frame_lists"
    NUMBERED = "numbered"
    KMEANS_16 = "kmeans_16"
    KMEANS_32 = "kmeans_32"
    ERAYZER_SCENES = "erayzer_scenes"


def read(content: bytes, file_format: Format, name: str) -> Index:
    """Read the content of a file. Raises UserError, on one line, where it is damaged or of another format."""
    index = READERS[file_format](content, name)
    repeated = [key for key, count in Counter(entry.id for entry in index.entries).items() if count > 1]
    if repeated:
        _refuse(name, f"{_quoted(repeated[0])} occurs twice; expected one entry for each scene")
    if not index.entries:
        _refuse(name, "no scene has frames; expected at least one")
    return index


def detect_format(content: bytes, name: str) -> Format:
    """Detect the format of a list that is not in the catalogue."""
    tree = _json(content, name)
    if not isinstance(tree, dict):
        _refuse(name, 'expected {"scene": {"context": [..], "target": [..]}, ..}')
    return Format.FRAME_LISTS if any(isinstance(value, list) for value in tree.values()) else Format.FRAMES


def read_frames(content: bytes, name: str) -> Index:
    """Read {scene: entry or null}; null marks a skipped scene."""
    tree = _mapping(content, name)
    entries = tuple(_entry(key, value, name) for key, value in tree.items() if value is not None)
    return Index(name, entries, tuple(key for key, value in tree.items() if value is None))


def read_frame_lists(content: bytes, name: str) -> Index:
    """Read {scene: [entry, ..]}; an empty list marks a skipped scene, several entries are numbered."""
    tree = _mapping(content, name)
    for key, value in tree.items():
        if not isinstance(value, list):
            _refuse(name, f"scene {_quoted(key)} is {_kind(value)}; expected a list of entries")
    entries = tuple(
        _entry(key, value, name, part=str(number) if len(values) > 1 else "")
        for key, values in tree.items()
        for number, value in enumerate(values)
    )
    return Index(name, entries, tuple(key for key, values in tree.items() if not values))


def read_numbered(content: bytes, name: str) -> Index:
    """Read {scene_NN: entry}; the number after the last underscore distinguishes evaluations of one scene."""
    entries = []
    for key, value in _mapping(content, name).items():
        scene, underscore, part = key.rpartition("_")
        if not (scene and underscore and part.isdecimal()):
            _refuse(name, f"key {_quoted(key)}; expected <scene>_<number>")
        entries.append(_entry(scene, value, name, part=part))
    return Index(name, tuple(entries))


def read_kmeans(content: bytes, name: str, inputs: int) -> Index:
    """Read Long-LRM's context frames; the targets are every eighth frame of the sequence, known only with the data."""
    tree, field = _json(content, name), f"fold_8_kmeans_{inputs}_input"
    if not isinstance(tree, list):
        _refuse(name, f"expected a list of scenes, got {_kind(tree)}")
    entries = []
    for item in tree:
        if not isinstance(item, dict) or not {"scene_name", field} <= item.keys():
            _refuse(name, f"{_quoted(item)}: expected an object with scene_name and {field}")
        scene = _scene(item["scene_name"], name)
        entries.append(IndexEntry(scene, _numbers(item[field], f"{name}: scene {_quoted(scene)}: {field}"), ()))
    return Index(name, tuple(entries), target_every=8)


def read_erayzer_scenes(content: bytes, name: str) -> Index:
    """Read one scene on each line; frames 0, 10, 21, .., 96, of which five are context and five targets."""
    lines = (line.strip() for line in _text(content, name).splitlines())
    context = tuple(ERAYZER_FRAMES[rank] for rank in ERAYZER_INPUT_RANKS)
    target = tuple(number for number in ERAYZER_FRAMES if number not in context)
    return Index(name, tuple(IndexEntry(_scene(line, name), context, target) for line in lines if line))


READERS: Mapping[Format, Callable[[bytes, str], Index]] = {
    Format.FRAMES: read_frames,
    Format.FRAME_LISTS: read_frame_lists,
    Format.NUMBERED: read_numbered,
    Format.KMEANS_16: partial(read_kmeans, inputs=16),
    Format.KMEANS_32: partial(read_kmeans, inputs=32),
    Format.ERAYZER_SCENES: read_erayzer_scenes,
}


def _entry(key: str, value: Any, name: str, part: str = "") -> IndexEntry:
    scene = _scene(key, name)
    where = f"{name}: scene {_quoted(scene)}"
    if not isinstance(value, dict):
        _refuse(where, f"is {_kind(value)}; expected an object with context and target")
    if not {"context", "target"} <= value.keys() <= FIELDS:
        _refuse(where, f"has {_quoted(', '.join(sorted(value)))}; expected context, target and at most overlap")
    return IndexEntry(
        scene,
        _numbers(value["context"], f"{where}: context"),
        _numbers(value["target"], f"{where}: target"),
        _overlap(value.get("overlap"), where),
        part,
    )


def _numbers(value: Any, where: str) -> tuple[int, ...]:
    """Frame numbers in the order of the file, which matters: DTU's first context view is 33 of (33, 31)."""
    if not isinstance(value, list) or not value:
        _refuse(where, f"is {_quoted(value)}; expected a list of frame numbers")
    for number in value:
        if type(number) is not int or not 0 <= number <= MAX_FRAME:
            _refuse(where, f"holds {_quoted(number)}; expected whole numbers from 0 to {MAX_FRAME}")
    if len(set(value)) < len(value):
        _refuse(where, "names a frame twice; expected different frames")
    return tuple(value)


def _overlap(value: Any, where: str) -> float | str | None:
    """A fraction, a word, or None. What a word or None means depends on the rule for buckets (slices.py)."""
    if value is None or (isinstance(value, str) and len(value) <= MAX_NAME and value.isprintable()):
        return value
    if type(value) not in (int, float) or not -1 <= value <= 1:
        _refuse(where, f"has overlap {_quoted(value)}; expected a fraction (-1 where unknown), a word or null")
    return float(value)


def _scene(value: Any, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or not value.isprintable():
        _refuse(name, f"{_quoted(value)} is not the name of a scene; expected up to {MAX_NAME} printable characters")
    return str(value)


def _mapping(content: bytes, name: str) -> dict[str, Any]:
    tree = _json(content, name)
    if not isinstance(tree, dict):
        _refuse(name, f"expected an object of scenes, got {_kind(tree)}")
    return dict(tree)


def _json(content: bytes, name: str) -> Any:
    text = _text(content, name)

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        tree = dict(pairs)
        if len(tree) < len(pairs):
            repeated = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            _refuse(name, f"key {_quoted(repeated)} occurs twice; expected each key once")
        return tree

    try:
        return json.loads(text, object_pairs_hook=distinct, parse_constant=partial(_no_constant, name))
    except json.JSONDecodeError as error:
        _refuse(name, f"not JSON ({error.msg}, line {error.lineno}); truncated or damaged: download it again")
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        _refuse(name, "not a list of frames: nested too deep, or a number too long")


def _no_constant(name: str, constant: str) -> NoReturn:
    _refuse(name, f"holds {constant}; expected numbers")


def _text(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse(name, "not text; expected JSON, or one scene on each line")
    if text.lstrip()[:1] == "<":
        _refuse(name, "a web page, not a list; download the raw file")
    return text


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _quoted(value: Any) -> str:
    """Print a value in short, on one line."""
    if isinstance(value, list | dict):
        return _kind(value) if value else f"an empty {_kind(value).split()[1]}"
    text = ascii(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse(where: str, problem: str) -> NoReturn:
    raise UserError(f"{where}: {problem}")
