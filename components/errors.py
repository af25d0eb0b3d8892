"""Errors that a node raises on purpose, with a message for the user."""


class DataError(Exception):
    """The data set cannot be used: unsupported, damaged or not as requested."""


class AnomalyError(Exception):
    """The data does not fit the schema, or a split has the wrong size. A gate, not a fault."""


class TrainingError(Exception):
    """Training cannot continue: a loss is not finite, or a split is empty."""
