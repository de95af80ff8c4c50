"""Confidence intervals and paired comparisons that take scenes, not rows, as independent."""
