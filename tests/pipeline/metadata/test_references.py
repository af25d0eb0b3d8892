"""What somebody means by a name."""

from __future__ import annotations

import pytest

from pipeline.core.errors import NotFoundError
from pipeline.metadata import references

RUNS = ["20261124-2", "20261124-1", "20261123-9"]  # the newest first


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("latest", "20261124-2"),
        ("latest~0", "20261124-2"),
        ("latest~2", "20261123-9"),
        ("20261123", "20261123-9"),
        ("20261124-1", "20261124-1"),
    ],
)
def test_a_run_is_found(wanted, found):
    assert references.find_run(wanted, RUNS) == found


@pytest.mark.parametrize("digits", ["1" * 20, "1" * 5000])
def test_a_number_that_no_root_has_is_no_run(digits):
    with pytest.raises(NotFoundError, match="the oldest is"):
        references.find_run(f"latest~{digits}", ["r2", "r1"])


def test_a_whole_id_goes_before_the_beginning_of_others_and_before_the_word_latest():
    assert references.find_run("r1", ["r11", "r1"]) == "r1"
    assert references.find_run("latest", ["r1", "latest"]) == "latest"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("20261124", "run 20261124: 2 ids start with it: 20261124-1, 20261124-2; give more of the id"),
        ("20261125-2", "no run 20261125-2; did you mean 20261124-2?"),
        ("latest~3", "no run latest~3: there are 3, the oldest is latest~2"),
        ("latest~x", "no run latest~x"),
        ("", "the id of the run is empty (latest is the newest"),
    ],
)
def test_a_run_that_is_none_or_several_is_said_to_be(wanted, said):
    with pytest.raises(NotFoundError) as error:
        references.find_run(wanted, RUNS)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("wanted", ["latest", "latest~1", "20261124"])
def test_of_no_runs_none_is_found_and_no_list_of_them_is_promised(wanted):
    with pytest.raises(NotFoundError) as error:
        references.find_run(wanted, [])
    assert wanted in str(error.value)
    assert "sae runs" not in str(error.value)


def test_of_many_runs_that_begin_so_five_are_named():
    with pytest.raises(NotFoundError, match=r"9.*r1, r2, r3, r4, r5 and 4 more"):
        references.find_run("r", [f"r{number}" for number in range(1, 10)])


def test_of_one_run_there_is_no_other():
    with pytest.raises(NotFoundError, match="latest~1"):
        references.find_run("latest~1", RUNS[:1])


def test_the_name_of_an_output_leads_to_the_command_that_shows_it():
    said = "`sae logs latest Trainer` .* `sae why latest Trainer` .* `sae artifact latest:Trainer` its output"
    with pytest.raises(NotFoundError, match=f"no run latest:Trainer: {said}"):
        references.find_run("latest:Trainer", ["r1"])
    with pytest.raises(NotFoundError, match=r"no run r2; did you mean r1\?"):
        references.find_run("r2:Trainer", ["r1"])
    with pytest.raises(NotFoundError, match="did you mean 2026-11-24T10:00:01"):
        references.find_run("2026-11-24T10:00:02", ["2026-11-24T10:00:01"])


def test_there_is_no_latest_of_no_runs():
    with pytest.raises(NotFoundError, match="no run latest"):
        references.find_run("latest", [])


CONTENTS = {1: "model-1:abcd1111", 2: "model-1:abcd1111", 3: "model-1:abce2222", 4: "schema-1:abcd1111"}


def contents():
    return CONTENTS


def test_a_digest_is_found_by_its_beginning_and_of_equal_content_the_newest():
    assert references.find_digest("abce", contents) == 3
    assert references.find_digest("model-1:abcd", contents) == 2
    assert references.find_digest("ffff", contents) is None


def test_digests_that_begin_alike_are_refused():
    with pytest.raises(NotFoundError, match=r"abcd.*2"):
        references.find_digest("abcd", contents)


@pytest.mark.parametrize("wanted", ["abc", "latest", "latest:Trainer", "ABCD1111", ""])
def test_what_is_no_digest_reads_no_artifact(wanted):
    def not_called():
        raise AssertionError("read")

    assert references.find_digest(wanted, not_called) is None


def test_a_node_is_found_whatever_its_capitals():
    assert references.find_node("trainer", ["Trainer", "Report"]) == "Trainer"
    with pytest.raises(NotFoundError, match=r"traner.*Trainer.*Trainer, Report"):
        references.find_node("traner", ["Trainer", "Report"])
