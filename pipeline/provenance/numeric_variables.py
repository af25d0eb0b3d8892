"""Environment variables with which libraries compute otherwise: a run sets or removes them.

TensorFlow, XLA, oneDNN, OpenBLAS, OpenMP and NumPy read variables that change kernels, the order of additions or the
number of threads. A run gives some a fixed value and removes the others, so they are in no cache key and no manifest.
The names were found in the libraries and Python sources of TensorFlow 2.16 and NumPy 1.26; the declarations that end in
`*` also cover names of other versions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pipeline.core.text import escaped
from pipeline_config import EngineConfig

_MAX_VALUE = 60  # characters shown of a value


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable, or all variables whose names begin alike."""

    name: str  # ends with `*` if it is the beginning of names
    meaning: str  # what it changes
    kept: bool = False  # whether a run leaves it as it is, because it changes no results

    def matches(self, name: str) -> bool:
        """Whether this is the declaration of a variable."""
        return name.startswith(self.name[:-1]) if self.name.endswith("*") else name == self.name


# The first that matches counts.
DECLARED = (
    Variable("TF_CPP_*", "what TensorFlow logs", kept=True),
    Variable("TF_DUMP_GRAPH_*", "where TensorFlow writes graphs for debugging", kept=True),
    Variable("TF_GRPC_*", "TensorFlow's servers, which a run does not start", kept=True),
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
    Variable("ONEDNN_*", "oneDNN: instruction set, precision, kernels"),
    Variable("DNNL_*", "oneDNN, under its earlier name"),
    Variable("MKL_*", "Intel's MKL: threads, instruction set, reproducibility"),
    Variable("OMP_*", "OpenMP: threads, schedule of loops"),
    Variable("GOMP_*", "GNU's OpenMP: affinity, waiting"),
    Variable("KMP_*", "Intel's OpenMP: affinity, order of reductions"),
    Variable("OPENBLAS_*", "OpenBLAS: kernel, threads, block size"),
    Variable("GOTO_NUM_THREADS", "OpenBLAS's threads, under an earlier name"),
    Variable("BLIS_*", "BLIS: threads, kernel"),
    Variable("VECLIB_MAXIMUM_THREADS", "threads of Apple's Accelerate"),
    Variable("NPY_*", "NumPy: instruction sets, promotion of types"),
    Variable("NUMPY_MADVISE_HUGEPAGE", "NumPy's memory pages", kept=True),
    Variable("NUMPY_WARN_IF_NO_MEM_POLICY", "a warning of NumPy", kept=True),
    Variable("NUMPY_*", "NumPy's experiments"),
    Variable("KERAS_HOME", "Keras's folder; a run uses one in its root", kept=True),
    Variable("KERAS_*", "Keras: backend, limits of epochs and steps"),
    Variable("AUTOGRAPH_*", "conversion of Python functions to graphs"),
    Variable("DTENSOR_*", "distribution of tensors to devices"),
    Variable("CUDA_VISIBLE_DEVICES", "GPUs, which are not used"),
    Variable("HIP_VISIBLE_DEVICES", "AMD's GPUs, which are not used"),
)


def fixed(engine: EngineConfig) -> dict[str, str]:
    """Return the variables that a run sets, with their values."""
    return {
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
    return {
        name: value
        for name, value in sorted(environ.items())
        if value != ours.get(name)
        and (declared := next((one for one in DECLARED if one.matches(name)), None)) is not None
        and not declared.kept
    }


def notice(found: Mapping[str, str]) -> str:
    """Return one line that names ignored variables; empty if there are none."""
    if not found:
        return ""
    values = (value if len(value) <= _MAX_VALUE else f"{value[:_MAX_VALUE]}..." for value in found.values())
    listed = ", ".join(f"{name}={value}" for name, value in zip(found, values, strict=True))
    return escaped(f"ignored, because results must not depend on the environment: {listed}; unset them to silence this")
