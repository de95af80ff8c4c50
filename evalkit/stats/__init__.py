"""Intervals and comparisons that respect scenes."""
