"""One training loop for all methods that define a loss."""
