"""Checks, repairs and clean-up of a pipeline root."""
