"""Scenes: worlds, furniture, solids, camera paths."""
