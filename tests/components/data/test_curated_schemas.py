"""The curated schemas: their names and files."""

from __future__ import annotations

import pytest

from components.data import curated_schemas


def test_there_is_a_curated_schema_for_both_data_sets_with_gates() -> None:
    assert curated_schemas.names() == ["fashion_mnist", "mnist"]


@pytest.mark.parametrize("name", ["kmnist", "", "../schemas/mnist"])
def test_unknown_schema_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(KeyError) as caught:
        curated_schemas.path_of(name)
    assert caught.value.args == (f"no curated schema {name!r}; there are: fashion_mnist, mnist",)
