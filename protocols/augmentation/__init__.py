"""Augmentation transfer: poses of one augmentation of a clip, rendered in another."""
