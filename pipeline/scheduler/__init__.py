"""Reruns on a schedule: what is planned, the daemon that does it, and what came of every planned time."""
