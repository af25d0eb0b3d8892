"""Benchmarks. `make bench` runs `__main__.py`; docs/performance.md has the results."""
