"""Frozen dataclasses with shared methods behave like those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pickle
from typing import Any

import pytest

from components import frozen


@frozen.dataclass(frozen=True)
class Shared:
    number: int
    texts: tuple[str, ...] = ()
    found: dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("number")

    @functools.cached_property
    def double(self) -> int:
        return 2 * self.number


@dataclasses.dataclass(frozen=True)
class Standard:
    number: int
    texts: tuple[str, ...] = ()
    found: dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("number")

    @functools.cached_property
    def double(self) -> int:
        return 2 * self.number


BOTH = pytest.mark.parametrize("cls", [Shared, Standard])


@frozen.dataclass(frozen=True)
class SharedChild(Shared):
    more: float = 0.5


@BOTH
@pytest.mark.parametrize(
    ("values", "named"),
    [((1,), {}), ((1, ("a",)), {}), ((), {"found": {"a": 1}, "number": 1}), ((1,), {"found": {}}), ((1, (), {}), {})],
)
def test_values_are_given_by_position_or_name_and_kept_in_the_order_of_the_fields(
    cls: Any, values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    made = cls(*values, **named)
    expected = {"number": 1, "texts": values[1] if len(values) > 1 else (), "found": named.get("found", {})}
    assert list(vars(made).items()) == list(expected.items())


@BOTH
@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, (), {}, 2), {}), ((1,), {"number": 2}), ((1,), {"other": 2})]
)
def test_missing_unknown_and_repeated_values_are_refused(
    cls: Any, values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=cls.__name__ if cls is Shared else ""):
        cls(*values, **named)


@BOTH
def test_it_cannot_be_changed(cls: Any) -> None:
    made = cls(1)
    for name in ("number", "other"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, name, 2)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(made, name)
    assert made == cls(1)


@BOTH
def test_equal_fields_make_equal_objects_whatever_was_computed_from_them(cls: Any) -> None:
    one, other = cls(1, ("a",)), cls(1, ("a",))
    assert one.double == 2
    assert one == other
    assert one != cls(2, ("a",))
    assert one != (1, ("a",), {})
    assert one != SharedChild(1, ("a",))
    assert repr(one) == f"{cls.__name__}(number=1, texts=('a',), found={{}})"


@BOTH
def test_it_can_be_a_key_if_its_fields_can(cls: Any) -> None:
    assert hash(cls(1, found=0)) == hash(cls(1, found=0)) == hash((1, (), 0))
    with pytest.raises(TypeError):
        hash(cls(1))


@BOTH
def test_what_it_checks_is_checked(cls: Any) -> None:
    with pytest.raises(ValueError, match="number"):
        cls(-1)
    with pytest.raises(ValueError, match="number"):
        dataclasses.replace(cls(1), number=-1)


@BOTH
def test_each_object_has_a_default_of_its_own(cls: Any) -> None:
    assert cls(1).found is not cls(1).found


@BOTH
def test_the_functions_of_dataclasses_know_it(cls: Any) -> None:
    made = cls(1, found={"a": 1})
    assert dataclasses.is_dataclass(cls)
    assert [one.name for one in dataclasses.fields(cls)] == ["number", "texts", "found"]
    assert dataclasses.replace(made, number=2) == cls(2, found={"a": 1})
    assert dataclasses.asdict(made) == {"number": 1, "texts": (), "found": {"a": 1}}
    assert copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made


def test_a_subclass_has_the_fields_of_its_base_first() -> None:
    assert vars(SharedChild(1, more=2.0)) == {"number": 1, "texts": (), "found": {}, "more": 2.0}
    assert SharedChild(1) != Shared(1)
    assert SharedChild(1).double == 2
