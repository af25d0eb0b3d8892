"""The inputs of a run: code, packages, environment, manifest; and cache keys."""
