"""What a run is made from: code, packages, environment, manifest; and the cache keys made of it."""
