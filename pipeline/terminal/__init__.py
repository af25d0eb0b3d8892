"""What is read of ML Metadata as text, for terminals and pipes. Each module writes the answer of one command."""
