"""Code that runs inside the pipeline's nodes. It never imports `pipeline`."""
