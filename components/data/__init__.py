"""Nodes and functions that read, check and transform the data."""
