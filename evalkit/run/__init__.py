"""Runs: plan, store, resume, shards, and the local engine. Knows nothing of what a protocol measures."""
