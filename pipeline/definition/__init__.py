"""What a pipeline declares, and the TFX pipeline made from such a declaration."""
