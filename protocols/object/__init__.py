"""Unseen views of an object from an unposed video around it."""
