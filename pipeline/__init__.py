"""What runs outside the nodes: the definition, the local orchestrator, the command line."""
