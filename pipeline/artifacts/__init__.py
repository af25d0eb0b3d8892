"""Content digests and previews of artifacts, by their type."""
