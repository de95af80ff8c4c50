"""Blocks that several methods are built of."""
