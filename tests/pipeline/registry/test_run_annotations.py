"""`sae tag` and `sae note`: what is recorded of a run, with who and when."""

from __future__ import annotations

import datetime
import getpass
import shutil

import pytest

from pipeline.core.errors import LockedError, NotFoundError, UsageError
from pipeline.inspection import run_filter
from pipeline.inspection.locations import open_reader
from pipeline.registry import decision_log, journal, listing, run_annotations
from pipeline.registry.run_annotations import Annotation
from pipeline.sparse_autoencoder.definition import PIPELINE


def test_tags_are_added_once_and_removed(four):
    assert run_annotations.tag(four.root, "latest", ["paper", "figure-3", "paper"])[1].tags == ("paper", "figure-3")
    assert run_annotations.tag(four.root, "latest", ["paper"])[1].tags == ("paper", "figure-3")
    assert run_annotations.tag(four.root, "latest", ["paper", "other"], remove=True) == (
        four.store().find_run("latest"), Annotation(("figure-3",))
    )  # fmt: skip
    assert (
        len(decision_log.decisions(four.store(), run_annotations._KINDS)) == 3
    )  # what changed nothing is not recorded


def test_a_note_has_an_author_and_a_time_and_replaces_the_one_before(four):
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    run_annotations.note(four.root, "run-1", "first")
    run_id, found = run_annotations.note(four.root, "run-1", "  second <b> ")
    assert (run_id, found.note, found.note_by) == ("run-1", "second <b>", getpass.getuser())
    assert before < found.note_when
    assert run_annotations.note(four.root, "run-1", "")[1].note == ""


@pytest.mark.parametrize("tag", ["", "a b", "a,b", "-a", "a=b", "x" * 61, "a\n", "\u202ea"])
def test_what_is_no_tag_is_refused_and_nothing_recorded(four, tag):
    with pytest.raises(UsageError):
        run_annotations.tag(four.root, "run-1", ["good", tag])
    assert run_annotations.of_runs(four.store()) == {}


def test_a_long_note_and_an_unknown_run_are_refused(four):
    with pytest.raises(UsageError, match="2,001 characters"):
        run_annotations.note(four.root, "run-1", "x" * 2_001)
    with pytest.raises(NotFoundError):
        run_annotations.tag(four.root, "run-9", ["a"])


def test_during_a_run_nothing_is_recorded(four):
    with four.root.lock(), pytest.raises(LockedError):
        run_annotations.tag(four.root, "run-1", ["a"])


def test_runs_are_listed_by_their_tags(four):
    run_annotations.tag(four.root, "run-1", ["paper"])
    run_annotations.tag(four.root, "run-2", ["paper", "old"])
    run_annotations.note(four.root, "run-2", "the one")
    with open_reader(PIPELINE, None, four.root) as reader:

        def ids(*where):
            return sorted(row.id for row in reader.runs(limit=9, where=run_filter.parse(where))[0])

        assert ids("tag=paper") == ["run-1", "run-2"]
        assert ids("tag=paper,tag!=old") == ["run-1"]
        assert ids("tag=nothing") == []
        assert ids("note=The one") == ["run-2"]
        assert reader.run("run-2").row.note == "the one"


def test_they_are_no_decisions_on_models(four):
    run_annotations.tag(four.root, "run-1", ["paper"])
    assert listing.list_models(four.store(), four.root, PIPELINE.headlines).decisions == ()


@pytest.mark.sqlite_file
def test_an_older_copy_of_the_store_loses_none(four, tmp_path):
    copy = shutil.copy(four.root.metadata, tmp_path / "copy.sqlite")
    run_annotations.tag(four.root, "run-1", ["paper"])
    shutil.copy(copy, four.root.metadata)
    journal.reconcile(four.root, four.store())
    assert run_annotations.of_runs(four.store())["run-1"].tags == ("paper",)
