"""Camera paths of version 1 as world-to-camera matrices, and what all versions share.

A protocol may transfer the motion of one sequence to the scene of another. The camera is then at p + R d, where p is a
position on the path of the scene, d the displacement between two positions of the other path, and R any rotation.
All paths of `rooms` lie in a ball of diameter `PATH_DIAMETER`. A free ball of radius 1.5 x `PATH_DIAMETER` about its
middle therefore contains every such camera; `CLEAR_BALL` adds `MARGIN`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.rng import Rng

Array = NDArray[np.float64]

PATH_DIAMETER = 0.84
MARGIN = 0.15
CLEAR_BALL = 1.5 * PATH_DIAMETER + MARGIN
FRAMES_PER_PATH = 96  # frames of a whole path; longer sequences continue on the same curve
TURNTABLE_DISTANCE = 1.7
ORBIT_RADIUS = 1.2


def rotation(vectors: Array) -> Array:
    """Rotation matrices [N, 3, 3] of axis-angle vectors [N, 3] in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=-1)[:, None, None] + 1e-12
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross: Array = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(-1, 3, 3) / angle
    matrices: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return matrices


def upright_axes(forward: Array) -> Array:
    """Camera axes as columns [N, 3, 3] (right, down, forward), without roll, for viewing directions [N, 3]."""
    ahead = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(ahead, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(ahead, right), ahead], axis=-1)


def w2c_of(axes: Array, position: Array) -> Array:
    """World-to-camera matrices [N, 4, 4] from camera axes as columns [N, 3, 3] and positions [N, 3]."""
    w2c = np.zeros((len(position), 4, 4))
    w2c[:, :3, :3] = axes.transpose(0, 2, 1)
    w2c[:, :3, 3] = -np.einsum("nij,ni->nj", axes, position)
    w2c[:, 3, 3] = 1
    return w2c


def directions(azimuth: Array, elevation: Array | float) -> Array:
    """Unit vectors [N, 3] of an azimuth [N] and an elevation, in radians."""
    flat = np.cos(elevation)
    x, y, z = np.broadcast_arrays(np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation))
    return np.stack([x, y, z], axis=-1)


def _ellipse(rng: Rng, times: Array, radius: float, sweep: float) -> Array:
    """Points [N, 3] on an ellipse in a random plane; ``sweep`` radians in a whole path."""
    first, other = rng.direction(), rng.direction()
    second = other - first * (first @ other)
    second *= rng.uniform(0.75, 1.0) / np.linalg.norm(second)
    angle = rng.uniform(0, 2 * np.pi) + rng.sign() * sweep * times
    points: Array = radius * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second)
    return points


def hand_shake(rng: Rng, times: Array, size: float) -> Array:
    """Slow unsteady motion [N, 3] of a hand: two waves on each axis, at most ``size``."""
    waves = [
        np.sin(2 * np.pi * (frequency * times[:, None] + rng.array(1, 3))) * (rng.array(1, 3) - 0.5)
        for frequency in (2.3, 4.1)
    ]
    offsets: Array = size * np.sum(waves, axis=0)
    return offsets


def handheld_path(rng: Rng, length: int, height: float) -> Array:
    """Path [N, 4, 4] of a hand-held camera about (0, 0, height): it moves and turns in random directions."""
    times = np.arange(length) / FRAMES_PER_PATH
    position = _ellipse(rng, times, 0.39, rng.uniform(3.4, 4.3)) + hand_shake(rng, times, 0.015)
    turn = _ellipse(rng, times, np.radians(rng.uniform(13, 18)), rng.uniform(2.6, 3.4))
    turn = turn * np.array([1.0, 1.0, 0.7]) + hand_shake(rng, times, 0.012)
    yaw, pitch = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(-16, 0))
    forward = np.array([[np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)]])
    return w2c_of(upright_axes(forward) @ rotation(turn), position + np.array([0.0, 0.0, height]))


def arc_path(rng: Rng, length: int, target: Array) -> Array:
    """Path [N, 4, 4] on part of a circle around ``target`` [3], at varying height, looking close to the target."""
    times = np.arange(length) / FRAMES_PER_PATH
    arc = np.radians(rng.uniform(45, 100)) * rng.sign()
    azimuth = rng.uniform(0, 2 * np.pi) + arc * (times - 0.5)
    height_wave = np.sin(2 * np.pi * (rng.uniform(0.3, 0.8) * times + rng.uniform(0, 1)))
    elevation = np.radians(rng.uniform(27, 35) + rng.uniform(3, 8) * height_wave)
    radius = ORBIT_RADIUS * (1 + rng.uniform(0.02, 0.06) * np.sin(2 * np.pi * (0.6 * times + rng.uniform(0, 1))))
    position = directions(azimuth, elevation) * radius[:, None]
    axes = upright_axes(hand_shake(rng, times, 0.06) - position) @ rotation(hand_shake(rng, times, 0.08))
    return w2c_of(axes, position + hand_shake(rng, times, 0.01) + target)


def turntable_path(rng: Rng, length: int) -> Array:
    """Path [N, 4, 4] of one full turn about the origin, at constant distance and elevation.

    Frame ``length`` would be frame 0 again.
    """
    azimuth = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(length) / length
    elevation = np.radians(rng.uniform(-20, 60))
    direction = directions(azimuth, elevation)
    return w2c_of(upright_axes(-direction), direction * TURNTABLE_DISTANCE)


def pan_path(rng: Rng, length: int, start: Array) -> Array:
    """Path [N, 4, 4] of a camera at the position of ``start`` [4, 4] that only rotates, by at most 8 to 16 degrees."""
    times = np.arange(length) / FRAMES_PER_PATH
    turn = _ellipse(rng, times, np.radians(rng.uniform(8, 16)), rng.uniform(2.6, 3.4))
    turn = turn * np.array([1.0, 1.0, 0.7]) + hand_shake(rng, times, 0.012)
    c2w = np.linalg.inv(start)
    return w2c_of(c2w[None, :3, :3] @ rotation(turn), np.repeat(c2w[None, :3, 3], length, axis=0))
