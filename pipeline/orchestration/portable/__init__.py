"""Beam jobs on a cluster: Flink's REST API, workers, options of Beam, checks before a run."""
