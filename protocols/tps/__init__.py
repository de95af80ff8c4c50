"""True Pose Similarity: are poses transferable between scenes?"""
