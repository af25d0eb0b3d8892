"""What a sweep varies, as a user writes it."""

import pytest

from pipeline.core.errors import UsageError
from pipeline.sweeps import space
from pipeline.sweeps.space import Choices, Range
from pipeline_config import PipelineConfig


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.l1=0,1e-5, 1e-3", Choices("model.l1", (0.0, 1e-5, 1e-3))),
        ("model.code_units=8,32", Choices("model.code_units", (8, 32))),
        ("training.jit_compile=true,false", Choices("training.jit_compile", (True, False))),
        ("model.loss=bce,mse", Choices("model.loss", ("bce", "mse"))),
        ("data.size=", None),
        ("encoding.splits=train,test;test", Choices("encoding.splits", ("train,test", "test"))),
    ],
)
def test_values_of_a_grid_have_the_type_of_their_setting(text, expected):
    if expected is None:
        with pytest.raises(UsageError, match="has no values"):
            space.axis(text, "--over", PipelineConfig)
        return
    found = space.axis(text, "--over", PipelineConfig)
    assert found == expected
    assert [type(one) for one in found.values] == [type(one) for one in expected.values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.code_units=4..16", Range("model.code_units", 4, 16)),
        ("model.l1=0..1e-2", Range("model.l1", 0.0, 0.01)),
        ("training.learning_rate=1e-4..1e-2:log", Range("training.learning_rate", 1e-4, 1e-2, True)),
        ("model.loss=bce,mse", Choices("model.loss", ("bce", "mse"))),
    ],
)
def test_ranges_and_choices_of_a_search(text, expected):
    found = space.search(text, "--search", PipelineConfig)
    assert found == expected
    if isinstance(expected, Range):
        assert type(found.low) is type(expected.low)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("model.l1", "has no values"),
        ("model.l2=0,1", "model.l1"),
        ("model.l1=0,7", "at most 1"),
        ("model.l1=0,0.0", "given twice"),
        ("training.seed=" + "1," * 200_000 + "2", "at most 1,000"),  # without comparing them all
        (space.Listed("model.l1", ()), "empty"),
        (space.Listed("model.l1", ("0", "")), "at most 1"),
        ("engine.beam_workers=1,2", "does not change results"),
        ("model.code_units=8,2.5", "a whole number"),
    ],
)
def test_refused_values(text, part):
    with pytest.raises(UsageError, match=part):
        space.axis(text, "--over", PipelineConfig)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("model.code_units=16..4", "smaller one first"),
        ("model.code_units=4..4", "smaller one first"),
        ("evaluation.max_bce=1..inf", "finite"),
        ("model.l1=0..1:log", "above 0"),
        ("model.l1=0..1:square", "square"),
        ("model.loss=bce..mse", "no number"),
        ("model.l1=0..5", "at most 1"),
    ],
)
def test_refused_ranges(text, part):
    with pytest.raises(UsageError, match=part):
        space.search(text, "--search", PipelineConfig)
