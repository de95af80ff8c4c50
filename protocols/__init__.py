"""Protocols: one file each, registered by entry point. They know methods only through `evalkit.method`."""
