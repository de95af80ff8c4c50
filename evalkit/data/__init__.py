"""Sequences of frames: procedural worlds, folders of photographs and videos."""
