"""Measures how far oracles can be trusted."""
