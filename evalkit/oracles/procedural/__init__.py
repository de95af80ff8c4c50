"""The `procedural` oracle: learned matches for images too soft for SIFT (docs/oracles.md)."""
