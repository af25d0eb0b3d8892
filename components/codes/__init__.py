"""The codes of examples: their table, and the node that writes it."""
