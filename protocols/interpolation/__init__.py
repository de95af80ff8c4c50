"""Renders at poses interpolated between predicted poses."""
