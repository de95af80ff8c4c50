"""Scenes of the three worlds, their furniture and their camera paths. No tensors."""
