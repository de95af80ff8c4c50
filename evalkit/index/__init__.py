"""Published evaluation lists: the frames of each scene that a paper evaluates on. Docs: docs/indices.md."""
