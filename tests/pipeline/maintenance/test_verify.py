"""Runs that `sae verify` refuses, because they do not have all their results."""

from __future__ import annotations

import pathlib
import resource

import pytest

from pipeline.core.errors import ExitCode, SaeError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.maintenance import rerun, verify
from pipeline.provenance.manifest_diff import Difference, Group
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.terminal import maintenance as text
from tests.builders.roots import Recorded
from tests.pipeline.provenance.test_manifest import RECORDED


def check(recorded: Recorded, node: str = "") -> SaeError:
    with pytest.raises(SaeError) as raised:
        verify.verify(PIPELINE, recorded.root, "r1", node, print, print)
    return raised.value


@pytest.mark.parametrize(("state", "word"), [("failed", "failed"), ("cancelled", "interrupted"), (None, "killed")])
def test_a_run_that_did_not_succeed_is_incomplete(recorded: Recorded, state: str | None, word: str) -> None:
    recorded.run("r1", failed="Trainer")
    if state:
        recorded.end("r1", state=state)
    error = check(recorded)
    assert error.exit_code == ExitCode.GATE_FAILED
    message = str(error)
    for expected in ("r1 is incomplete", word, "Trainer, Encode, Evaluator", "Pusher", "`sae resume r1`"):
        assert expected in message
    assert "Transform" not in message
    assert not (recorded.root.path / "scratch").exists()


def test_a_node_that_failed_cannot_be_verified_alone(recorded: Recorded) -> None:
    recorded.run("r1", failed="Trainer")
    recorded.end("r1", state="failed")
    error = check(recorded, "Trainer")
    assert error.exit_code == ExitCode.GATE_FAILED
    assert "Trainer did not succeed" in str(error)


@pytest.mark.parametrize(
    ("failed", "state", "node"), [("", "succeeded", ""), ("", None, ""), ("Trainer", "failed", "Transform")]
)
def test_a_run_or_node_with_all_its_results_is_not_refused(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, failed: str, state: str | None, node: str
) -> None:
    recorded.run("r1", failed=failed)
    if state:
        recorded.end("r1", state=state)

    class ReachedError(SaeError):
        pass

    def stop(*arguments: object) -> None:
        raise ReachedError

    monkeypatch.setattr(rerun, "recorded_manifest", stop)
    assert isinstance(check(recorded, node), ReachedError)


CODE = tuple(
    Difference(Group.CODE, file, "0", "1", "other code in Trainer, Report: check out commit abc")
    for file in ("components/a.py", "components/b.py")
)
OTHER = Difference(Group.PACKAGES, "numpy", "1", "2", "another package: install it")
REMEDY = "the code is not that of the run: check out commit abc, then verify again"


@pytest.mark.parametrize(
    ("verified", "surroundings", "last"),
    [
        (False, (*CODE, OTHER), f"next: {REMEDY}"),
        (False, (OTHER,), "run r1 NOT verified: 0 artifacts, none"),
        (True, CODE, "run r1 verified: 0 artifacts, none"),
    ],
)
def test_what_is_not_verified_with_other_code_ends_with_the_commit_to_check_out(
    verified: bool, surroundings: tuple[Difference, ...], last: str
) -> None:
    found = verify.Verification(verified, "r1", "", surroundings, (), ())
    assert text.verify(found).splitlines()[-1] == last


def test_a_rerun_that_fails_with_other_code_names_the_commit_too(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded.run("r1")
    recorded.end("r1")

    def fail(*arguments: object) -> str:
        raise UnavailableError("the rerun failed")

    monkeypatch.setattr(rerun, "recorded_manifest", lambda *arguments: RECORDED)
    monkeypatch.setattr(rerun, "environment_differences", lambda *arguments: CODE)
    monkeypatch.setattr(rerun, "rerun", fail)
    error = check(recorded)
    assert (str(error), error.exit_code) == (f"the rerun failed; {REMEDY}", ExitCode.ENVIRONMENT)


def test_a_full_disk_is_an_error_that_names_the_file(recorded: Recorded, tmp_path: pathlib.Path) -> None:
    """A limit of 0 bytes a file is a disk that was full already: no child process is started."""
    place = Root(tmp_path / "scratch")
    place.path.mkdir()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="large") as caught:
            rerun.rerun(PIPELINE, recorded.root, recorded.store(), RECORDED, place, "", "", 1, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(place.path / "manifest.json")
    assert list(place.path.iterdir()) == []
