"""Textures: how they are drawn, the atlas that holds them, and the materials that use them."""
