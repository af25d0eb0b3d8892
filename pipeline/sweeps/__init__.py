"""Sweeps: many runs of the pipeline that differ in a few settings, compared with each other."""
