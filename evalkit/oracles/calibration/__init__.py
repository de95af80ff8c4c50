"""How far oracles can be trusted, measured."""
