"""Oracles: images in, cameras out, with a word on whether to believe them."""
