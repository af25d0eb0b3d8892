"""Models over time: which were pushed, which is served, and what people decided about them, as ML Metadata holds it."""
