"""XFactor: True Self-Supervised Novel View Synthesis is Transferable (Mitchel, Ryu, Sitzmann; ICLR 2026)."""
