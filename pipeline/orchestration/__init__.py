"""Running, resuming and planning runs."""
