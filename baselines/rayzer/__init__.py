"""RayZer: A Self-supervised Large View Synthesis Model (Jiang et al., ICCV 2025)."""
