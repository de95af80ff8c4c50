"""Frames that lie on disk: one file a format."""
