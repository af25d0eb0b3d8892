"""Schedules, the daemon that starts their runs, and the outcome of each tick."""
