"""The canonical form of an artifact: what of it is content, whatever its folder, compression, names and times.

Every type of artifact that the pipeline publishes has a *form*: an ordered stream of named values, described in the
module of its name in this package. The content digest is SHA-256 over that stream (`entries.py` gives the encoding),
written `<form>-<version>:<hex>`, such as `examples-1:ab12...`; two artifacts are compared by walking both streams
together. A form's version is raised with any change that can change a digest.

Nothing is rounded: two numbers are the same when their bits are. A file that a form does not understand, because it
is of no known kind or because it cannot be read, counts by its relative name and its bytes. What is left out on
purpose is named in the form's docstring, with the reason. Empty folders are no content. An artifact of a type that has
no form here is *foreign*: all of its files count by name and bytes (`raw.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from pipeline.artifacts.fingerprints import stream as entries
from pipeline.artifacts.fingerprints.artifact import Artifact

__all__ = ["Artifact", "content_digest", "first_difference", "is_canonical"]

# Module of this package by TFX's type name. Imported when used: most of them import TensorFlow.
_FORMS = {
    "Examples": "examples",
    "ExampleStatistics": "statistics",
    "ExampleAnomalies": "anomalies",
    "Schema": "schema",
    "TransformGraph": "transform_graph",
    "Model": "model",
    "ModelRun": "model_run",
    "ModelEvaluation": "evaluation",
    "ModelBlessing": "blessing",
    "PushDecision": "push_decision",
    "PushedModel": "pushed_model",
    "Report": "report",
}
_FOREIGN = "raw"


def is_canonical(type_name: str) -> bool:
    """Whether artifacts of this type have a form; all others are foreign and count by their bytes."""
    return type_name in _FORMS


def content_digest(artifact: Artifact) -> str:
    """The digest of an artifact's content: `<form>-<version>:<SHA-256 in hex>`.

    Raises:
      FileNotFoundError: there is nothing at `artifact.folder`.
    """
    form, stream = _form(artifact)
    return f"{form}:{entries.digest(stream).hex()}"


def first_difference(one: Artifact, other: Artifact) -> str:
    """One line that says where the content of two artifacts parts, or "" when it is the same.

    Raises:
      FileNotFoundError: there is nothing at the folder of one of them.
    """
    if one.type_name != other.type_name:
        return f"one is of type {one.type_name}, the other of type {other.type_name}"
    return entries.first_difference(lambda: _form(one)[1], lambda: _form(other)[1])


def _form(artifact: Artifact) -> tuple[str, Iterator[entries.Entry]]:
    module = importlib.import_module(f"{__name__}.{_FORMS.get(artifact.type_name, _FOREIGN)}")
    return module.FORM, module.entries(artifact)
