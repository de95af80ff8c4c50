"""Pure functions of tensors: image, pose."""
