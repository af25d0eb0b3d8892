"""The Evaluator: its metrics, and the thresholds of the blessing."""
