"""Variables that change what libraries compute have no effect on a run, and are named."""

from __future__ import annotations

import pytest

from pipeline.provenance import numeric_variables
from pipeline_config import EngineConfig

ENGINE = EngineConfig()


@pytest.mark.parametrize(
    "name",
    [
        "XLA_FLAGS", "TF_XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS", "TF_NUM_BATCH_THREADS",
        "TF_OVERRIDE_GLOBAL_THREADPOOL", "TF_SET_ONEDNN_FPMATH_MODE", "TF_DATA_EXPERIMENT_OPT_IN", "TF_CONFIG",
        "TF2_BEHAVIOR", "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL", "OMP_DYNAMIC", "OMP_SCHEDULE", "GOMP_CPU_AFFINITY",
        "KMP_DETERMINISTIC_REDUCTION", "MKL_CBWR", "MKL_NUM_THREADS", "OPENBLAS_CORETYPE", "GOTO_NUM_THREADS",
        "NPY_DISABLE_CPU_FEATURES", "NPY_PROMOTION_STATE", "ONEDNN_MAX_CPU_ISA", "DNNL_DEFAULT_FPMATH_MODE",
        "KERAS_BACKEND", "KERAS_MAX_EPOCHS", "AUTOGRAPH_STRICT_CONVERSION", "TF_A_NAME_OF_A_LATER_VERSION",
    ],
)  # fmt: skip
def test_a_variable_that_changes_results_is_ignored_and_named(name: str) -> None:
    found = numeric_variables.ignored({name: "1", "PATH": "/bin"}, ENGINE)
    assert found == {name: "1"}
    assert f"{name}=1" in numeric_variables.notice(found)


@pytest.mark.parametrize("name", ["TF_CPP_MIN_LOG_LEVEL", "TF_CPP_VMODULE", "TFDS_DATA_DIR", "HOME", "KERAS_HOME"])
def test_other_variables_are_left_alone(name: str) -> None:
    assert numeric_variables.ignored({name: "1"}, ENGINE) == {}


def test_a_variable_with_the_value_that_a_run_sets_is_not_named() -> None:
    ours = numeric_variables.fixed(EngineConfig(intra_op_threads=3))
    assert ours["TF_NUM_INTRAOP_THREADS"] == "3"
    assert numeric_variables.ignored(ours, EngineConfig(intra_op_threads=3)) == {}
    assert numeric_variables.ignored({**ours, "OMP_NUM_THREADS": "8"}, EngineConfig(intra_op_threads=3)) == {
        "OMP_NUM_THREADS": "8"
    }


def test_every_variable_that_a_run_sets_is_declared_with_its_meaning() -> None:
    for name in numeric_variables.fixed(ENGINE):
        assert any(one.matches(name) and not one.kept for one in numeric_variables.DECLARED), name
    assert all(one.meaning for one in numeric_variables.DECLARED)


def test_the_notice_is_one_safe_line_and_long_values_are_cut() -> None:
    assert numeric_variables.notice({}) == ""
    text = numeric_variables.notice({"XLA_FLAGS": "--a\x1b[31m\n" + "x" * 1000})
    assert len(text) < 300
    assert "\n" not in text
    assert "\x1b" not in text
