"""The configuration: what it holds, what it refuses and what it says then."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import pytest

import pipeline_config
from pipeline_config import PROFILES, SECTIONS, PipelineConfig
from tests import PROJECT

ROOT = PROJECT
NAMES = pipeline_config.setting_names()


def limits(name):
    return pipeline_config.setting_field(name).metadata


def numeric(limit):
    return [name for name in NAMES if limits(name)[limit] is not None]


def test_it_imports_the_standard_library_alone():
    # -S: without the site-packages an import of anything else fails.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pipeline_config"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_reference_setting():
    config = pipeline_config.build(PROFILES["mnist"])
    data, model, training = config.data, config.model, config.training
    assert (data.train_examples, data.validation_examples, data.test_examples) == (50_000, 10_000, 10_000)
    assert (model.hidden_units, model.code_units, model.l1) == (256, 32, 0.001)
    assert (training.epochs, training.batch_size, training.learning_rate) == (50, 256, 0.001)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_meaning_that_fits_a_line(name):
    meaning = limits(name)["meaning"]
    assert 10 < len(meaning) < 120
    assert "\n" not in meaning


def test_names_come_in_the_order_of_the_sections_without_repetition():
    assert NAMES[0] == "data.dataset"
    assert NAMES[-1] == "retention.max_mib"
    assert len(set(NAMES)) == len(NAMES)
    assert list(dict.fromkeys(name.partition(".")[0] for name in NAMES)) == list(SECTIONS)
    assert list(SECTIONS) == [field.name for field in dataclasses.fields(PipelineConfig)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_valid_and_sets_what_it_says(profile):
    values = pipeline_config.flatten(pipeline_config.build(PROFILES[profile]))
    assert {name: values[name] for name in PROFILES[profile]} == PROFILES[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_judges_the_worst_label_more_mildly_than_the_mean(profile):
    assert PROFILES[profile]["evaluation.max_bce"] < PROFILES[profile]["evaluation.max_bce_worst_label"]


def test_the_sample_profile_splits_the_5000_digits_without_a_rest():
    values = PROFILES["sample"]
    splits = ("train", "validation", "test")
    assert [values[f"data.{split}_split"] for split in splits] == ["train[:3572]", "train[3572:4286]", "train[4286:]"]
    assert [values[f"data.{split}_examples"] for split in splits] == [3572, 4286 - 3572, 5000 - 4286]


def test_the_gate_of_mnist_lies_between_a_good_model_and_a_collapsed_one():
    # 0.0943 is the loss that the reference reaches with the largest L1, 0.2625 that of the mean image.
    assert 0.0943 < PROFILES["mnist"]["evaluation.max_bce"] < 0.2625


def test_what_is_kept_afterwards_is_no_setting_of_a_run():
    one, other = (pipeline_config.of_run(pipeline_config.build({"retention.runs": number})) for number in (1, 2))
    assert one == other
    assert set(NAMES) - set(one) == {"retention.runs", "retention.pushed", "retention.max_mib"}


def test_flatten_undoes_build():
    values = {"training.epochs": 7, "model.l1": 0.5, "training.jit_compile": False, "paths.root": "elsewhere"}
    flat = pipeline_config.flatten(pipeline_config.build(values))
    assert list(flat) == NAMES
    assert flat == {**pipeline_config.flatten(PipelineConfig()), **values}


@pytest.mark.parametrize("name", numeric("low"))
def test_the_low_limit_may_be_taken_and_nothing_below_it(name):
    low = limits(name)["low"]
    assert pipeline_config.check(name, low) == low
    with pytest.raises(ValueError, match=f"^{name} = "):
        pipeline_config.check(name, low - 1)


@pytest.mark.parametrize("name", numeric("above"))
def test_the_limit_above_which_a_value_must_lie_may_not_be_taken(name):
    above = limits(name)["above"]
    assert pipeline_config.check(name, above + 0.01) == above + 0.01
    with pytest.raises(ValueError, match=f"^{name} = "):
        pipeline_config.check(name, above)


@pytest.mark.parametrize("name", numeric("high"))
def test_the_high_limit_may_be_taken_and_nothing_above_it(name):
    high = limits(name)["high"]
    assert pipeline_config.check(name, high) == high
    with pytest.raises(ValueError, match=f"^{name} = "):
        pipeline_config.check(name, high + 1)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("training.epochs", 0, "a whole number, at least 1, at most 100000"),
        ("training.epochs", 5.0, "a whole number, at least 1, at most 100000"),
        ("training.epochs", True, "a whole number, at least 1, at most 100000"),
        ("training.seed", 2**31, "a whole number, at least 0, at most 2147483647"),
        ("training.learning_rate", True, "a number, above 0, at most 1"),
        ("training.learning_rate", math.nan, "a number, above 0, at most 1"),
        ("training.jit_compile", 1, "true or false"),
        ("data.test_split", 3, "text"),
        ("data.source", "web", "one of auto, tfds, sample"),
        ("data.source", ["auto"], "one of auto, tfds, sample"),
    ],
)
def test_an_error_says_what_was_given_and_what_is_allowed(name, value, allowed):
    with pytest.raises(ValueError, match=name) as error:
        pipeline_config.check(name, value)
    assert str(error.value) == f"{name} = {value!r} is not allowed: it must be {allowed}"


def test_a_whole_number_becomes_a_float_where_a_float_is_wanted():
    value = pipeline_config.check("model.l1", 1)
    assert (value, type(value)) == (1.0, float)
    assert type(pipeline_config.ModelConfig(l1=1).l1) is float


def test_a_whole_number_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match=r"^training\.learning_rate = 1000"):
        pipeline_config.check("training.learning_rate", 10**400)


def test_a_gate_may_be_infinite_but_not_minus_infinite():
    assert pipeline_config.check("evaluation.max_bce", math.inf) == math.inf
    with pytest.raises(ValueError, match=r"evaluation\.max_bce = -inf"):
        pipeline_config.check("evaluation.max_bce", -math.inf)


def test_an_empty_root_is_refused_as_it_would_be_the_current_folder():
    with pytest.raises(ValueError, match=r"paths\.root = ''"):
        pipeline_config.check("paths.root", "")


def test_a_section_checks_its_values_however_it_is_made():
    with pytest.raises(ValueError, match=r"training\.epochs = 0"):
        pipeline_config.TrainingConfig(epochs=0)
    with pytest.raises(ValueError, match=r"training\.epochs = 0"):
        dataclasses.replace(pipeline_config.TrainingConfig(), epochs=0)
    with pytest.raises(ValueError, match=r"training\.epochs = 0"):
        pipeline_config.build({"training.epochs": 0})


@pytest.mark.parametrize("name", ["training.epoch", "nothing.epochs", "epochs", ""])
def test_there_is_no_field_behind_an_unknown_name(name):
    with pytest.raises(KeyError):
        pipeline_config.setting_field(name)


def test_scheduling_is_checked_as_well_and_is_no_setting_of_a_run() -> None:
    scheduling = pipeline_config.SchedulePolicies(max_late=5)
    assert (scheduling.overlap, scheduling.max_late) == ("skip", 5.0)
    with pytest.raises(ValueError, match=r"schedule\.overlap = 'run' is not allowed: it must be one of skip, queue"):
        pipeline_config.SchedulePolicies(overlap="run")
    assert not [name for name in pipeline_config.setting_names() if name.startswith("schedule")]


SCHEDULING = dataclasses.fields(pipeline_config.SchedulePolicies)


@pytest.mark.parametrize("field", SCHEDULING, ids=lambda field: field.name)
def test_every_default_of_scheduling_has_a_meaning_that_fits_a_line(field):
    assert 10 < len(field.metadata["meaning"]) < 120


@pytest.mark.parametrize("limit", ["low", "above", "high"])
def test_scheduling_holds_to_its_limits(limit):
    past = {"low": -1, "above": 0, "high": 1}[limit]
    limited = [field for field in SCHEDULING if field.metadata[limit] is not None]
    assert limited
    for field in limited:
        value = field.metadata[limit] + past
        with pytest.raises(ValueError, match=rf"^schedule\.{field.name} = "):
            pipeline_config.SchedulePolicies(**{field.name: value})
