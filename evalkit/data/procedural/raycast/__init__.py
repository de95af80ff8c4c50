"""The ray-caster: intersections, culling, light and shading of any scene."""
