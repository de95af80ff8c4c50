"""Renders made earlier, by anybody's code."""
