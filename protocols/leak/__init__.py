"""Whether target images change what a method predicts for the context."""
