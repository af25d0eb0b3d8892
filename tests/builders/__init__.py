"""Fake roots, runs, stores and schedules for tests, written without TFX."""
