"""Textures: patterns, materials, and the atlas that holds them."""
