"""Published evaluation lists: which frames of which scene a paper's number stands for. Docs: docs/indices.md."""
