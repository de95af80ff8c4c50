"""Protocols: one package each, registered by entry point. They know methods only through `evalkit.method`."""
