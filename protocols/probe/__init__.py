"""How much of the camera small heads read from frozen pose codes."""
