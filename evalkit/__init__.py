"""evalkit: the benchmark and evaluation suite for self-supervised novel view synthesis."""

__version__ = "0.1.0"
