"""Benchmarks; docs/performance.md has their results. `make bench` runs `end_to_end`."""
