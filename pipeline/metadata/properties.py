"""Names in ML Metadata: types of contexts, executions and artifacts, and custom properties.

Existing roots contain these names: never change one. `components/push` names the properties that components write.
"""

from __future__ import annotations

# Types of contexts, as TFX names them, and one of ours.
PIPELINE, PIPELINE_RUN, NODE, CACHE = "pipeline", "pipeline_run", "node", "execution_cache"
SWEEP_CONTEXT = "sae_sweep"

# Of contexts and executions that TFX up to 0.24 wrote.
COMPONENT_ID, PIPELINE_NAME = "component_id", "pipeline_name"
OF_A_RUN = frozenset({"run_id", "state", "log_root"})  # properties of an execution that differ in each run
INTERNAL = "__"  # names of properties in which TFX keeps its own state start with it


def is_parameter(name: str) -> bool:
    """Return whether a property of an execution says what it does, and not in which run."""
    return name not in OF_A_RUN and not name.startswith(INTERNAL)


# Types of artifacts: two of TFX, two of ours.
PUSHED_MODEL, MODEL_EVALUATION, VERIFICATION, SWEEP = "PushedModel", "ModelEvaluation", "Verification", "Sweep"

# Execution types of this project that are no nodes start with OWN_TYPES.
OWN_TYPES = "sae."
VERIFY, RUN_SWEEP = f"{OWN_TYPES}Verify", f"{OWN_TYPES}Sweep"


def command_of(execution_type: str) -> str:
    """Return the command that records executions of a type of ours: `sae verify`; empty for the type of a node."""
    own = execution_type.startswith(OWN_TYPES)
    return f"sae {execution_type.removeprefix(OWN_TYPES).lower()}" if own else ""


# Properties of an artifact.
RAW_DIGEST = "raw_digest"  # Merkle digest over the names and bytes of its files
CONTENT_DIGEST = "content_digest"  # digest of its content, computed for its type
FILES = "files"  # JSON: size, modification time and digest of each file
EARLIER_FILES = "earlier_files"  # JSON list: values of FILES before each restore that changed the bytes
MODEL_DIGEST = "model_digest"  # of a blessing or a pushed model: content digest of the model
METRICS = "metrics"  # of a ModelEvaluation, as JSON
PCA_MSE = "pca_mse"  # of a Report
OUT_OF_USE = "out_of_use"  # why it must not be used any more
DELETED = "deleted_by_gc"  # when `sae gc` deleted its files: `2026-11-24T03:00:05Z`
RESTORED = "restored"  # when its files were regenerated
SINCE_PUBLISHED = (RAW_DIGEST, FILES, EARLIER_FILES, OUT_OF_USE, DELETED, RESTORED)  # those that change later

# Properties of an execution.
KEY = "key"  # digest of its cache key; each part of the key, as JSON, is in `key_<part>`
REASONS = "reasons"  # why it was executed, as JSON
CODE_CHANGED = "code_changed"  # files of its code that changed while it ran, so that its result is not reused
CANCEL_REASON = "sae_cancelled"  # why it was cancelled
KILL_REASON = "sae_broken_off"  # of an execution whose process was killed: how that was detected
EXECUTION_RESULT = "__execution_result__"  # TFX's record of an executor; missing in a cached execution

# Property of a run's context; its other properties are in `run_properties`.
MANIFEST_DIGEST = "manifest_digest"

# Of a decision of an operator: an execution of type `sae.Pin`, `sae.Unpin`, `sae.Promote` or `sae.Rollback`.
DECISION_RUN, DECISION_REASON, DECISION_USER = "run", "reason", "who"
DECISION_TIME = "when"  # of one that was recorded again after a copy of the store was restored
CHOSEN_MODEL, REPLACED_MODEL = "model", "replaced"  # content digests
REPLACED_VERSION = "replaced_version"  # the highest version until then
