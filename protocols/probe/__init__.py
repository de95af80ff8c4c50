"""How much of the camera small heads can read from frozen pose codes."""
