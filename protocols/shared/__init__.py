"""Shared by several protocols: plans of clips and transfers, target poses, columns, summaries."""
