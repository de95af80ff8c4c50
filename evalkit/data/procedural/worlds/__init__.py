"""One file a kind of world: each turns dice into a `Plan`."""
