"""Worlds made on the fly by a vectorised ray-caster, with exact cameras, depth and intrinsics (docs/worlds.md)."""
