"""A cluster of Flink or Spark on this machine, for a first try and for tests: its parts, its processes."""
