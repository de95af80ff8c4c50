"""Learned oracles: VGGT, Depth Anything 3."""
