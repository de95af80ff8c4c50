"""Oracles that are published networks: VGGT, Depth Anything 3."""
