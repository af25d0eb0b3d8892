"""The model: layers, training, checkpoints, and what is saved."""
