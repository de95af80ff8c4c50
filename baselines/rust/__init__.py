"""RUST: a scene representation transformer that finds its own poses in half of the target (arXiv 2211.14306)."""
