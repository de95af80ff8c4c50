"""Checks that target images do not change what is predicted for the context."""
