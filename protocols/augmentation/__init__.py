"""Augmentation transfer: the pose from one look of a clip, rendered in another look of it."""
