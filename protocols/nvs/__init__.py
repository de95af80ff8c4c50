"""Novel view synthesis between context frames of one clip."""
