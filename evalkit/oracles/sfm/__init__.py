"""Structure from motion with COLMAP, on the CPU. Worker processes import this folder: no torch at the top."""
