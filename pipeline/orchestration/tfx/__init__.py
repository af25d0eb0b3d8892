"""The runner: TFX and Beam."""
