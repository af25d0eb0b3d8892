"""Schedules as units of systemd and lines of a crontab."""
