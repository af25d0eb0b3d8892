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
        "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL", "OMP_DYNAMIC", "OMP_SCHEDULE", "GOMP_CPU_AFFINITY",
        "KMP_DETERMINISTIC_REDUCTION", "MKL_NUM_THREADS", "GOTO_NUM_THREADS",
        "NPY_PROMOTION_STATE",
        "KERAS_BACKEND", "KERAS_MAX_EPOCHS", "AUTOGRAPH_STRICT_CONVERSION", "TF_A_NAME_OF_A_LATER_VERSION",
    ],
)  # fmt: skip
def test_a_variable_that_changes_results_is_ignored_and_named(name: str) -> None:
    found = numeric_variables.ignored({name: "1", "PATH": "/bin"}, ENGINE)
    assert found == {name: "1"}
    assert name in numeric_variables.notice(found)
    assert numeric_variables.recorded({name: "1"}) == {}


@pytest.mark.parametrize(
    "name",
    ["OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "ONEDNN_MAX_CPU_ISA",
     "DNNL_DEFAULT_FPMATH_MODE", "MKL_CBWR"],
)  # fmt: skip
def test_a_variable_that_selects_instructions_is_an_input_of_the_run(name: str) -> None:
    assert numeric_variables.ignored({name: "1"}, ENGINE) == {}
    assert numeric_variables.recorded({name: "1", "PATH": "/bin"}) == {name: "1"}


def test_the_value_of_a_name_that_is_not_known_is_not_shown() -> None:
    assert "hidden" not in numeric_variables.notice({"TF_PASSWORD_OF_ANOTHER_PROGRAM": "hidden"})
    assert "XLA_FLAGS=--a" in numeric_variables.notice({"XLA_FLAGS": "--a"})
    assert "OMP_SCHEDULE=static" in numeric_variables.notice({"OMP_SCHEDULE": "static"})


@pytest.mark.parametrize(
    "name",
    ["TF_CPP_MIN_LOG_LEVEL", "TF_CPP_VMODULE", "TFDS_DATA_DIR", "HOME", "KERAS_HOME",
     "TF_TOKEN_app_terraform_io", "TF_VAR_password", "TF_CLI_CONFIG_FILE"],
)  # fmt: skip
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
    ignored = [one for one in numeric_variables.DECLARED if one.treatment is numeric_variables.Treatment.IGNORED]
    for name in numeric_variables.fixed(ENGINE):
        assert any(one.matches(name) for one in ignored), name
    assert all(one.meaning for one in numeric_variables.DECLARED)


def test_the_notice_is_one_safe_line_and_long_values_are_cut() -> None:
    assert numeric_variables.notice({}) == ""
    text = numeric_variables.notice({"XLA_FLAGS": "--a\x1b[31m\n" + "x" * 1000})
    assert len(text) < 300
    assert "\n" not in text
    assert "\x1b" not in text
