"""Models over time: pushed versions, the served model, and the decisions of operators, read from ML Metadata."""
