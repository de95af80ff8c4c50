"""What several protocols need: clips, windows, transfers, target poses, summaries."""
