"""The networks behind metrics and oracles: where they come from, where they lie, and that they are the ones meant.

Docs: docs/weights.md.
"""
