"""Camera paths as world-to-camera matrices, and the room that transferred paths need.

A protocol may carry the motion of one sequence into the scene of another: the camera then stands at p + R d, with
p on the path of the scene, d the displacement between two positions of another path, R any rotation. With
all paths of `rooms` inside balls of `PATH_DIAMETER`, a free ball of 1.5 diameters about the middle holds every such
camera; `CLEAR_BALL` adds `MARGIN`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.rng import Dice

Array = NDArray[np.float64]

PATH_DIAMETER = 0.84
MARGIN = 0.15
CLEAR_BALL = 1.5 * PATH_DIAMETER + MARGIN
FRAMES_A_CLIP = 96  # steps over which a path runs its course; longer sequences go on along the same curve
TURNTABLE_DISTANCE = 1.7
ORBIT_RADIUS = 1.2


def rotation(vectors: Array) -> Array:
    """Rotations [N, 3, 3] about vectors [N, 3] by their length in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[:, None, None] + 1e-12
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross: Array = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3) / angle
    turned: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def looking(forward: Array) -> Array:
    """Upright camera axes as columns [N, 3, 3] (right, down, forward) for viewing directions [N, 3]."""
    ahead = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(ahead, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(ahead, right), ahead], axis=-1)


def w2c_of(axes: Array, position: Array) -> Array:
    """World-to-camera matrices [N, 4, 4] of cameras with axes as columns [N, 3, 3] at positions [N, 3]."""
    w2c = np.zeros((len(position), 4, 4))
    w2c[:, :3, :3] = axes.transpose(0, 2, 1)
    w2c[:, :3, 3] = -np.einsum("nij,ni->nj", axes, position)
    w2c[:, 3, 3] = 1
    return w2c


def _loop(dice: Dice, steps: Array, radius: float, sweep: float) -> Array:
    """A smooth walk [N, 3] along an ellipse in a random plane, turning by ``sweep`` radians in a clip."""
    first, other = dice.direction(), dice.direction()
    second = other - first * (first @ other)
    second *= dice.uniform(0.75, 1.0) / np.linalg.norm(second)
    angle = dice.uniform(0, 2 * np.pi) + dice.sign() * sweep * steps
    walk: Array = radius * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second)
    return walk


def _sway(dice: Dice, steps: Array, size: float) -> Array:
    """The unsteadiness of a hand: two slow waves on each axis, at most ``size``."""
    waves = [
        np.sin(2 * np.pi * (rate * steps[:, None] + dice.array(1, 3))) * (dice.array(1, 3) - 0.5) for rate in (2.3, 4.1)
    ]
    swayed: Array = size * np.sum(waves, axis=0)
    return swayed


def glide(dice: Dice, length: int, height: float) -> Array:
    """A hand-held glide about (0, 0, height): dolly, truck, arc, crane and pan in random directions."""
    steps = np.arange(length) / FRAMES_A_CLIP
    place = _loop(dice, steps, 0.39, dice.uniform(3.4, 4.3)) + _sway(dice, steps, 0.015)
    turn = _loop(dice, steps, np.radians(dice.uniform(13, 18)), dice.uniform(2.6, 3.4))
    turn = turn * np.array([1.0, 1.0, 0.7]) + _sway(dice, steps, 0.012)
    yaw, pitch = dice.uniform(0, 2 * np.pi), np.radians(dice.uniform(-16, 0))
    forward = np.array([[np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)]])
    return w2c_of(looking(forward) @ rotation(turn), place + np.array([0.0, 0.0, height]))


def orbit(dice: Dice, length: int, target: Array) -> Array:
    """A walk around ``target`` [3]: a partial arc, rising and sinking a little, never quite aimed at the middle."""
    steps = np.arange(length) / FRAMES_A_CLIP
    arc = np.radians(dice.uniform(45, 100)) * dice.sign()
    azimuth = dice.uniform(0, 2 * np.pi) + arc * (steps - 0.5)
    wave = np.sin(2 * np.pi * (dice.uniform(0.3, 0.8) * steps + dice.uniform(0, 1)))
    elevation = np.radians(dice.uniform(27, 35) + dice.uniform(3, 8) * wave)
    radius = ORBIT_RADIUS * (1 + dice.uniform(0.02, 0.06) * np.sin(2 * np.pi * (0.6 * steps + dice.uniform(0, 1))))
    flat = np.cos(elevation)
    place = np.stack([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation)], axis=-1) * radius[:, None]
    axes = looking(_sway(dice, steps, 0.06) - place) @ rotation(_sway(dice, steps, 0.08))
    return w2c_of(axes, place + _sway(dice, steps, 0.01) + target)


def revolution(dice: Dice, length: int) -> Array:
    """One turn about the origin at constant distance and elevation; frame ``length`` would be frame 0 again."""
    azimuth = dice.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(length) / length
    elevation = np.radians(dice.uniform(-20, 60))
    flat = np.cos(elevation)
    place = np.stack([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.full(length, np.sin(elevation))], axis=-1)
    return w2c_of(looking(-place), place * TURNTABLE_DISTANCE)


def pan(dice: Dice, length: int, start: Array) -> Array:
    """A camera that stands where ``start`` [4, 4] stands and turns, up to 8 to 16 degrees away from its direction."""
    steps = np.arange(length) / FRAMES_A_CLIP
    turn = _loop(dice, steps, np.radians(dice.uniform(8, 16)), dice.uniform(2.6, 3.4))
    turn = turn * np.array([1.0, 1.0, 0.7]) + _sway(dice, steps, 0.012)
    c2w = np.linalg.inv(start)
    return w2c_of(c2w[None, :3, :3] @ rotation(turn), np.repeat(c2w[None, :3, 3], length, axis=0))
