"""Methods: one folder each, and the controls. They know protocols only through `evalkit.method`."""
