"""What runs inside the pipeline's nodes. Never imports `pipeline`."""
