"""Output of commands: a module of text for each command, and the JSON documents of all of them."""
