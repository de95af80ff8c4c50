"""Camera paths of version 2 as world-to-camera matrices: every kind and direction of motion, at uneven speed.

In version 1 another clip's motion, or the frame numbers, tell much of where a camera went: all clips of `orbits` go
left or right at constant speed, all of `turntable` one way. Here a window of 24 to 32 frames has about three strokes
(`strokes`) in directions of their own. docs/worlds.md has the numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evalkit.data.procedural.rng import Rng
from evalkit.data.procedural.scenes.paths import (
    FRAMES_PER_PATH,
    TURNTABLE_DISTANCE,
    directions,
    hand_shake,
    rotation,
    upright_axes,
    w2c_of,
)
from evalkit.data.procedural.scenes.strokes import Timing, stroke_path

Array = NDArray[np.float64]

ROAMING_RADIUS = 0.39  # with the unsteady hand within PATH_DIAMETER
ORBIT_ELEVATION_DEG = (20.0, 45.0)
ORBIT_DISTANCE = (1.0, 1.35)
TURNTABLE_ELEVATION_DEG = (-20.0, 60.0)
HAND = Timing(shortest=6, longest=18, pause_chance=0.3, longest_pause=5)
TURNTABLE = Timing(shortest=10, longest=28, pause_chance=0.3, longest_pause=5)


def roaming_path(rng: Rng, length: int, height: float) -> Array:
    """Path [N, 4, 4] of a hand-held camera in a ball about (0, 0, height): it steps anywhere, and turns on its own."""
    times = np.arange(length) / FRAMES_PER_PATH
    position = _in_ball(rng.fork("move"), length, ROAMING_RADIUS, 0.3) + hand_shake(rng, times, 0.015)
    turn = _in_ball(rng.fork("turn"), length, np.radians(14), np.radians(6)) * np.array([1.0, 1.0, 0.7])
    turn = turn + hand_shake(rng, times, 0.012)
    yaw, pitch = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(-16, 0))
    axes = upright_axes(directions(np.array([yaw]), pitch)) @ rotation(turn)
    return w2c_of(axes, position + np.array([0.0, 0.0, height]))


def circling_path(rng: Rng, length: int, target: Array) -> Array:
    """Path [N, 4, 4] around ``target`` [3] that steps aside, up, down, closer and away, looking close to the target."""
    times = np.arange(length) / FRAMES_PER_PATH
    lowest, highest = np.radians(ORBIT_ELEVATION_DEG)
    start = np.array([rng.uniform(0, 2 * np.pi), rng.uniform(lowest, highest), rng.uniform(*ORBIT_DISTANCE)])

    def step(rng: Rng, place: Array) -> Array:
        while True:
            aside, up, away = rng.direction() * rng.uniform(0.2, 0.5)
            _, elevation, distance = place
            following: Array = place + np.array([aside / (distance * np.cos(elevation)), up / distance, away])
            inside_elevation = lowest <= following[1] <= highest
            if inside_elevation and ORBIT_DISTANCE[0] <= following[2] <= ORBIT_DISTANCE[1]:
                return following

    azimuth, elevation, distance = stroke_path(rng.fork("move"), length, HAND, start, step).T
    position = directions(azimuth, elevation) * distance[:, None]
    aim, turn = (_in_ball(rng.fork(word), length, size, 0.0) for word, size in (("aim", 0.1), ("turn", np.radians(5))))
    axes = upright_axes(aim - position) @ rotation(turn)
    return w2c_of(axes, position + hand_shake(rng, times, 0.01) + target)


def turning_path(rng: Rng, length: int) -> Array:
    """Path [N, 4, 4] about the origin at constant distance: partial turns to both sides, up and down."""
    lowest, highest = np.radians(TURNTABLE_ELEVATION_DEG)

    def step(rng: Rng, place: Array) -> Array:
        while True:
            heading, angle = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(20, 70))
            following: Array = place + angle * np.array([np.cos(heading) / np.cos(place[1]), np.sin(heading)])
            if lowest <= following[1] <= highest:
                return following

    start = np.array([rng.uniform(0, 2 * np.pi), rng.uniform(lowest, highest)])
    direction = directions(*stroke_path(rng.fork("move"), length, TURNTABLE, start, step).T)
    return w2c_of(upright_axes(-direction), direction * TURNTABLE_DISTANCE)


def _in_ball(rng: Rng, length: int, radius: float, shortest_step: float) -> Array:
    """Path [N, 3] in a ball about the origin, between uniform waypoints that are ``shortest_step`` apart."""

    def point(rng: Rng) -> Array:
        place: Array = rng.direction() * radius * rng.uniform(0, 1) ** (1 / 3)
        return place

    def step(rng: Rng, place: Array) -> Array:
        while True:
            following = point(rng)
            if np.linalg.norm(following - place) >= shortest_step:
                return following

    return stroke_path(rng, length, HAND, point(rng), step)
