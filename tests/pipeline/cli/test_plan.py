"""`sae plan` refuses what `sae run` refuses, of the default pipeline and of another one; both help texts fit it."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable

import pytest

from pipeline.core.errors import ExitCode
from pipeline.core.pipeline_root import Root
from pipeline.definition.spec import DEFAULT_PIPELINE
from pipeline.orchestration import imports
from pipeline_config import PipelineConfig

SECOND = ("--pipeline", "tests.second_pipeline.definition:PIPELINE")
Run = Callable[..., tuple[object, str, str]]


@pytest.fixture
def run(sae: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `sae` in this process; return its exit code, standard output and standard error."""

    def call(*words: str) -> tuple[object, str, str]:
        monkeypatch.setenv("SAE_PIPELINE", "")  # --pipeline sets it
        return sae(*words)

    return call


def answers(run: Run, root: Root, *words: str, pipeline: tuple[str, ...] = ()) -> list[tuple[object, str]]:
    """Exit code and last line of standard error, of both commands."""
    found = []
    for command in ("plan", "run"):
        code, _, errors = run(*pipeline, command, *words, "--root", str(root.path))
        found.append((code, errors.splitlines()[-1]))
    return found


@pytest.mark.component
def test_another_data_set_than_that_of_the_root_is_refused_alike(run: Run, root: Root) -> None:
    root.claim_pipeline("")
    root.claim_dataset("mnist_sample")
    planned, ran = answers(run, root, "--set", "data.dataset=fashion_mnist")
    assert planned == ran
    assert planned[0] == ExitCode.USAGE
    for part in ("mnist_sample", "fashion_mnist", "--profile sample", "--root"):
        assert part in planned[1]


def test_missing_data_of_another_pipeline_is_refused_alike(run: Run, root: Root, tmp_path: pathlib.Path) -> None:
    missing = tmp_path / "missing.csv"
    planned, ran = answers(run, root, "--set", f"points.file={missing}", pipeline=SECOND)
    assert planned == ran
    assert planned[0] == ExitCode.ENVIRONMENT
    assert str(missing) in planned[1]


def test_a_root_of_another_pipeline_is_refused_alike(run: Run, root: Root) -> None:
    root.claim_pipeline("")
    root.claim_dataset("mnist_sample")
    planned, ran = answers(run, root, pipeline=SECOND)
    assert planned == ran
    assert planned[0] == ExitCode.USAGE
    for part in (SECOND[1], "the default pipeline", "--root"):
        assert part in planned[1]


@pytest.mark.parametrize("command", ["run", "plan"])
def test_help_lists_the_profiles_of_the_selected_pipeline(
    run: Run, root: Root, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    root.claim_pipeline(DEFAULT_PIPELINE)  # as in a checkout after make run
    monkeypatch.setenv("SAE_ROOT", str(root.path))

    def profiles(*pipeline: str) -> str:
        code, output, errors = run(*pipeline, command, "--help")
        assert (code, errors) == (0, "")
        return " ".join(output.partition("--profile NAME")[2].partition("--config")[0].split())

    assert profiles(*SECOND) == "Named set of settings: points. [default: points]"
    names = ", ".join(PipelineConfig.profiles)
    default = f"Named set of settings; of the default pipeline: {names}. [default: mnist]"
    assert profiles() == default
    assert profiles("--pipeline", "no_such_module:PIPELINE") == default


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--profile", "sample", "--set", "data.size=256x256"], ["256x256", "28x28", "data.schema"]),
        (["--set", "data.dataset=no_such_set"], ["no_such_set", "sae data list"]),
        (["--set", "data.schema=letters"], ["letters", "fashion_mnist, mnist"]),
    ],
)
def test_settings_that_no_data_fits_are_refused_before_tensorflow(
    run: Run, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, words: list[str], parts: list[str]
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    monkeypatch.delitem(sys.modules, "tensorflow_datasets", raising=False)
    monkeypatch.setattr(imports, "heavy_imports", lambda: pytest.fail("TensorFlow is imported"))
    planned, ran = answers(run, Root(tmp_path / "new"), *words)
    assert planned == ran
    assert planned[0] == ExitCode.USAGE
    for part in parts:
        assert part in planned[1]
    code, output, _ = run("doctor", *words, "--root", str(tmp_path / "new"))
    assert code == planned[0]
    assert parts[0] in output
