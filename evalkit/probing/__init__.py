"""How much of the camera can be read from frozen pose codes: inputs, splits, small heads, and their training."""
