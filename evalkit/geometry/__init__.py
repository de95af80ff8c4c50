"""Rigid motions, rays, projection, alignment. Conventions: docs/conventions.md."""
