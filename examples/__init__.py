"""Examples that use the pipeline without the command `sae`."""
