"""A pipeline of other nodes, another model and other data, for the tests: points on a line, and no push gate."""
