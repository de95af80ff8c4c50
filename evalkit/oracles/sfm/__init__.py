"""Structure from motion with COLMAP, on the CPU."""
