"""Ray casting: hits, culling, shading, light maps."""
