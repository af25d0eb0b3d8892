"""Measurements; docs/performance.md has their figures. `make bench` runs `end_to_end`."""
