"""Environment variables with which libraries compute otherwise: a run sets, removes or records them.

TensorFlow, XLA, oneDNN, OpenBLAS, OpenMP and NumPy read variables that change kernels, the order of additions or the
number of threads. Those that select instructions are needed on some machines, so they are inputs of a run: in its
manifest and in the keys of the nodes that compute. A run gives some others a fixed value and removes the rest.

The names were found in the libraries and Python sources of TensorFlow 2.16 and NumPy 1.26; declarations that end in
`*` also cover names of other versions.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Mapping

from pipeline.core.text import beginning, escaped
from pipeline_config import EngineConfig

_MAX_VALUE = 60  # characters shown of a value


class Treatment(enum.Enum):
    """What a run does with a variable."""

    IGNORED = "set to a fixed value, or removed"
    RECORDED = "left as it is, and an input of the run"
    KEPT = "left as it is, because it changes no results"


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable, or all variables whose names begin alike."""

    name: str  # ends with `*` if it is the beginning of names
    meaning: str  # what it changes
    treatment: Treatment = Treatment.IGNORED

    def matches(self, name: str) -> bool:
        """Whether this is the declaration of a variable."""
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name


_TERRAFORM = (
    "TF_VAR_*", "TF_CLI_*", "TF_TOKEN_*", "TF_LOG*", "TF_INPUT", "TF_IN_AUTOMATION", "TF_WORKSPACE", "TF_DATA_DIR",
    "TF_PLUGIN_*", "TF_REGISTRY_*", "TF_STATE_*", "TF_ACC*", "TF_IGNORE", "TF_CLOUD_*", "TF_HTTP_*",
    "TF_REATTACH_PROVIDERS", "TF_APPEND_USER_AGENT", "TF_ENCRYPTION", "TF_PROVIDER_*",
)  # fmt: skip

# The first that matches counts.
DECLARED = (
    Variable("TF_CPP_*", "what TensorFlow logs", Treatment.KEPT),
    Variable("TF_DUMP_GRAPH_*", "where TensorFlow writes graphs for debugging", Treatment.KEPT),
    Variable("TF_GRPC_*", "TensorFlow's servers, which a run does not start", Treatment.KEPT),
    # Terraform's variables begin with TF_ as well, and some are secret.
    *(Variable(name, "Terraform", Treatment.KEPT) for name in _TERRAFORM),
    Variable("TF_NUM_INTRAOP_THREADS", "TensorFlow's threads within one operation"),
    Variable("TF_NUM_INTEROP_THREADS", "TensorFlow's threads across operations"),
    Variable("TF_USE_LEGACY_KERAS", "whether `tf.keras` is Keras 2 or Keras 3"),
    Variable("TF_ENABLE_ONEDNN_OPTS", "whether TensorFlow computes with oneDNN or Eigen"),
    Variable("TF_ONEDNN_*", "oneDNN in TensorFlow: threads, memory, frozen weights"),
    Variable("TF_SET_ONEDNN_FPMATH_MODE", "precision of oneDNN's matrix products"),
    Variable("TF_XLA_FLAGS", "what TensorFlow compiles with XLA"),
    Variable("TF_FUNCTION_JIT_COMPILE_DEFAULT", "whether every tf.function is compiled with XLA"),
    Variable("TF_DETERMINISTIC_*", "order of additions in TensorFlow's kernels, and its allocator"),
    Variable("TF_CONFIG", "a cluster to train on"),
    Variable("TF_*", "TensorFlow: kernels, rewrites of graphs, precision, threads, devices, experiments of tf.data"),
    Variable("TF2_BEHAVIOR", "behaviour of TensorFlow 1 or 2"),
    Variable("TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL", "kernel of Eigen's matrix products"),
    Variable("XLA_FLAGS", "XLA: fast math, instruction sets, optimisations, threads; a name it does not know aborts"),
    Variable("ONEDNN_*", "oneDNN: instruction set, precision, kernels", Treatment.RECORDED),
    Variable("DNNL_*", "oneDNN, under its earlier name", Treatment.RECORDED),
    Variable("MKL_NUM_THREADS", "MKL's threads"),
    Variable("MKL_DYNAMIC", "whether MKL chooses the number of its threads"),
    Variable("MKL_*", "Intel's MKL: threads, instruction set, reproducibility", Treatment.RECORDED),
    Variable("OMP_*", "OpenMP: threads, schedule of loops"),
    Variable("GOMP_*", "GNU's OpenMP: affinity, waiting"),
    # scikit-learn, which TFX imports, sets these two for its own process.
    Variable("KMP_DUPLICATE_LIB_OK", "whether two copies of Intel's OpenMP may be loaded", Treatment.KEPT),
    Variable("KMP_INIT_AT_FORK", "when Intel's OpenMP starts in a forked process", Treatment.KEPT),
    Variable("KMP_*", "Intel's OpenMP: affinity, order of reductions"),
    Variable("OPENBLAS_NUM_THREADS", "OpenBLAS's threads"),
    Variable("OPENBLAS_DEFAULT_NUM_THREADS", "OpenBLAS's threads, if no other variable gives them"),
    Variable("OPENBLAS_*", "OpenBLAS: kernel, threads, block size", Treatment.RECORDED),
    Variable("GOTO_NUM_THREADS", "OpenBLAS's threads, under an earlier name"),
    Variable("BLIS_*", "BLIS: threads, kernel"),
    Variable("VECLIB_MAXIMUM_THREADS", "threads of Apple's Accelerate"),
    Variable("NPY_DISABLE_CPU_FEATURES", "instruction sets that NumPy does not use", Treatment.RECORDED),
    Variable("NPY_ENABLE_CPU_FEATURES", "the only instruction sets that NumPy uses", Treatment.RECORDED),
    Variable("NPY_*", "NumPy: promotion of types, memory"),
    Variable("NUMPY_MADVISE_HUGEPAGE", "NumPy's memory pages", Treatment.KEPT),
    Variable("NUMPY_WARN_IF_NO_MEM_POLICY", "a warning of NumPy", Treatment.KEPT),
    Variable("NUMPY_*", "NumPy's experiments"),
    Variable("KERAS_HOME", "Keras's folder; a run uses one in its root", Treatment.KEPT),
    Variable("KERAS_*", "Keras: backend, limits of epochs and steps"),
    Variable("AUTOGRAPH_*", "conversion of Python functions to graphs"),
    Variable("DTENSOR_*", "distribution of tensors to devices"),
    Variable("CUDA_VISIBLE_DEVICES", "GPUs, which are not used"),
    Variable("HIP_VISIBLE_DEVICES", "AMD's GPUs, which are not used"),
)


def fixed(engine: EngineConfig) -> dict[str, str]:
    """Return the variables that a run sets, with their values."""
    return {
        "TF2_BEHAVIOR": "1",  # TensorFlow sets it too, for processes that it starts
        "TF_USE_LEGACY_KERAS": "1",  # TFT and TFMA know Keras 2 only
        # The number of threads changes the order of additions, so it is configuration.
        "TF_NUM_INTRAOP_THREADS": str(engine.intra_op_threads),
        "TF_NUM_INTEROP_THREADS": str(engine.inter_op_threads),
        # NumPy uses no more threads than there are cores; every machine has one.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",  # the same arithmetic on every machine
    }


def ignored(environ: Mapping[str, str], engine: EngineConfig) -> dict[str, str]:
    """Return the variables, with their values here, that a run sets otherwise or removes."""
    ours = fixed(engine)
    found = _treated(environ, Treatment.IGNORED)
    return {name: value for name, value in found.items() if value != ours.get(name)}


def recorded(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are inputs of a run, with their values here."""
    return _treated(environ, Treatment.RECORDED)


def affecting(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the variables that can change results; a worker of a run takes those of the run instead."""
    return frozenset({**_treated(environ, Treatment.IGNORED), **_treated(environ, Treatment.RECORDED)})


def notice(found: Mapping[str, str]) -> str:
    """Return one line that names ignored variables; empty if there are none."""
    if not found:
        return ""
    listed = ", ".join(f"{name}{_value(name, value)}" for name, value in found.items())
    return escaped(f"ignored, because results must not depend on the environment: {listed}; unset them to silence this")


def _treated(environ: Mapping[str, str], treatment: Treatment) -> dict[str, str]:
    declared = ((name, _declaration(name)) for name in sorted(environ))
    return {name: environ[name] for name, one in declared if one is not None and one.treatment is treatment}


@functools.cache
def _declaration(name: str) -> Variable | None:
    return next((one for one in DECLARED if one.matches(name)), None)


def _value(name: str, value: str) -> str:
    """Return `=VALUE`; nothing for an unknown name with TF_, which may belong to Terraform and be secret."""
    declared = _declaration(name)
    if declared is not None and declared.name == "TF_*":
        return ""
    return f"={beginning(value, _MAX_VALUE)}"
