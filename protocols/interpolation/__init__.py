"""Renders at poses interpolated between predicted ones."""
