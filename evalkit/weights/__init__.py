"""Weights of networks: sources and digests, download, loading, and the files of trained models.

Docs: docs/weights.md.
"""
