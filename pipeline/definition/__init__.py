"""The pipeline: its graph of nodes, and the data set that it reads."""
