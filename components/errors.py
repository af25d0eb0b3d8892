"""Errors that a node raises on purpose, each with a message for the person who runs the pipeline."""


class DataError(Exception):
    """The data set cannot be used: unsupported, damaged or not what was asked for."""


class AnomalyError(Exception):
    """The data does not fit the schema, or a split has the wrong size. A gate, not a fault."""


class TrainingError(Exception):
    """Training cannot go on: the loss is not a number."""
