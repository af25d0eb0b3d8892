"""Files of each form through the model of their own data set: the bits of the node Encode, ids, and warnings."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.codes import new_data, table
from components.codes.new_data import TrainingData
from components.data.own_data import forms
from components.data.own_data.records import Options
from components.errors import DataError
from tests import lazy, nodes
from tests.components.codes import own_models
from tests.components.codes.own_models import OwnModel

data_gate = lazy.module("components.data.data_gate")
encoder = lazy.module("components.codes.encoder")
tfdv = lazy.module("tensorflow_data_validation")

pytestmark = pytest.mark.component

COUNT = 41


def images(height: int, width: int, *channels: int) -> Any:
    return np.random.default_rng(0).random((COUNT, height, width, *channels)) ** np.arange(1, COUNT + 1).reshape(
        -1, 1, 1, *[1] * len(channels)
    )


def write_pictures(path: pathlib.Path) -> None:
    """JPEG files of three sizes, every fifth grey, in two subfolders; one has an odd name."""
    for number, image in enumerate(images(20, 24, 3)):
        file = path / ("left", "right")[number % 2] / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((image[: 18 + number % 3] * 255).astype(np.uint8))
        (picture.convert("L") if number % 5 == 0 else picture).save(file, "JPEG")
    os.rename(path / "left" / "8.jpg", os.path.join(os.fsencode(path / "left"), b"\xff\xfe.jpg"))


def write_table(path: pathlib.Path) -> None:
    rows = images(1, 7).reshape(COUNT, 7) * [1, 5, 20, -3, 8, 1, 9] - 4
    lines = [
        ",".join([("cat", "ant", "bee")[number % 3], f"p{number % 9}", f"cell {number}", *map(repr, row.tolist())])
        for number, row in enumerate(rows)
    ]
    path.write_text("\n".join(["kind,who,name,a,b,c,d,e,f,g", *lines]))


@dataclasses.dataclass(frozen=True)
class Form:
    """Files, and how they are added and run on."""

    name: str
    write: Callable[[pathlib.Path], None]
    options: Options = dataclasses.field(default_factory=Options)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


FORMS = (
    Form("pictures", write_pictures, Options(size=(10, 12), resampling="bicubic", colour=True),
         {"data.shard_examples": 9}),
    Form("images16.npy", lambda path: np.save(path, (images(20, 24) * 65_535).astype(np.uint16)),
         settings={"data.size": "10x12"}),
    Form("floats.npz", lambda path: np.savez(path, data=images(6, 8) * 50 - 20, y=np.arange(COUNT) % 3)),
    Form("rows.csv", write_table, Options(label="kind", group="who", leave_out=("name",)),
         {"data.scaling": "standard"}),
)  # fmt: skip


@pytest.fixture(scope="module", params=FORMS, ids=lambda form: form.name)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Form, pathlib.Path, OwnModel]:
    form = request.param
    folder = tmp_path_factory.mktemp("own")
    form.write(folder / form.name)
    return form, folder / form.name, own_models.make(folder, folder / form.name, form.options, form.settings)


def training_of(model: OwnModel, test_loss: float | None = None) -> TrainingData:
    return TrainingData(
        schema=pathlib.Path(model.described.schema_file),
        test_loss=test_loss,
        scaling=model.settings.data.scaling,
        size=model.settings.data.height_and_width,
        conversion=model.described.conversion,
        label_names=model.described.label_names,
    )


def columns_of(form: Form) -> Options:
    return Options(label=form.options.label, group=form.options.group)


def by_id(rows: Any) -> dict[str, tuple[list[float], int | None]]:
    labels = rows["label"].to_pylist() if "label" in rows.column_names else [None] * rows.num_rows
    return dict(zip(rows["id"].to_pylist(), zip(table.codes_of(rows).tolist(), labels, strict=True), strict=True))


def test_files_have_the_codes_and_labels_of_the_node_to_the_bit(made: tuple[Form, pathlib.Path, OwnModel]) -> None:
    form, path, model = made
    training = training_of(model, test_loss=1e-9)
    new = encoder.Encoder(model.model, training)
    # Size, colour and what is left out are those of the training.
    source = forms.open_source(path, columns_of(form), training.conversion)
    [batch] = new_data.read(source, training, new.shape is not None)
    rows = new.encode(batch)
    assert rows.num_rows == COUNT
    assert by_id(rows) == by_id(model.codes)
    [loss] = new.warnings  # no anomaly
    assert loss.startswith("its reconstruction loss, ")
    alone = new.encode(dataclasses.replace(
        batch, ids=batch.ids[:1], values=batch.values[:1],
        labels=None if batch.labels is None else batch.labels[:1],
        label_names=None if batch.label_names is None else batch.label_names[:1],
    ))  # fmt: skip
    np.testing.assert_array_equal(table.codes_of(alone), table.codes_of(rows)[:1])


@pytest.mark.parametrize("made", [one for one in FORMS if one.name == "rows.csv"], indirect=True, ids=["rows.csv"])
def test_columns_in_another_order_have_the_codes_of_the_node_to_the_bit(
    made: tuple[Form, pathlib.Path, OwnModel], tmp_path: pathlib.Path
) -> None:
    form, path, model = made
    training = training_of(model)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    lines = [",".join(["unit" if number == 0 else "mm", *reversed(row)]) for number, row in enumerate(rows)]
    (tmp_path / "new.csv").write_text("\n".join(lines))
    source = forms.open_source(tmp_path / "new.csv", columns_of(form), training.conversion)
    new = encoder.Encoder(model.model, training)
    [batch] = new_data.read(source, training, new.shape is not None)
    assert by_id(new.encode(batch)) == by_id(model.codes)


def test_the_prepared_data_set_has_the_codes_of_the_node_to_the_bit(made: tuple[Form, pathlib.Path, OwnModel]) -> None:
    _, _, model = made
    new = encoder.Encoder(model.model, training_of(model))
    found: dict[str, Any] = {}
    for batch in new.read_dataset(model.described.builder_dir):
        found |= by_id(new.encode(batch))
    assert found == by_id(model.codes)
    assert new.warnings == ()


def test_labels_that_the_training_data_does_not_have_are_named(made: tuple[Form, pathlib.Path, OwnModel]) -> None:
    form, path, model = made
    training = dataclasses.replace(training_of(model), label_names=("another", *model.described.label_names[1:]))
    if not model.described.label_names:
        pytest.skip("a data set without labels")
    new = encoder.Encoder(model.model, training)
    source = forms.open_source(path, columns_of(form), training.conversion)
    for batch in new_data.read(source, training, new.shape is not None):
        new.encode(batch)
    [label] = new.warnings
    assert label.startswith("label in the input: Out-of-range values")


def test_records_of_another_shape_are_refused(made: tuple[Form, pathlib.Path, OwnModel]) -> None:
    _, _, model = made
    new = encoder.Encoder(model.model, dataclasses.replace(training_of(model), size=None))
    for shape in ((3, 5, 1), (4,)):
        with pytest.raises(DataError, match=r"^record a (is|has) "):
            new.encode(new_data.Batch(["a"], [np.zeros(shape, new.dtype)]))


@pytest.mark.parametrize("made", FORMS[:1], ids=["pictures"], indirect=True)
def test_rows_have_the_names_of_the_files_with_their_labels(made: tuple[Form, pathlib.Path, OwnModel]) -> None:
    """Also of a name that is no UTF-8."""
    _, _, model = made
    labels = dict(zip(model.codes["id"].to_pylist(), model.codes["label"].to_pylist(), strict=True))
    names = {f"{('left', 'right')[number % 2]}/{number}.jpg": number % 2 for number in range(COUNT) if number != 8}
    assert labels == {**names, r"left/\xff\xfe.jpg": 0}
    assert model.described.label_names == ("left", "right")
    sizes = model.described.split_sizes
    assert model.codes["split"].to_pylist() == [split for split, size in sizes.items() for _ in range(size)]


@pytest.mark.parametrize("made", FORMS[:1], ids=["pictures"], indirect=True)
def test_statistics_leave_the_ids_out_so_that_the_data_fits_its_schema(
    made: tuple[Form, pathlib.Path, OwnModel], tmp_path: pathlib.Path
) -> None:
    _, _, model = made
    statistics_gen = nodes.make(tmp_path, {}, described=model.described)["StatisticsGen"]
    examples = model.artifacts["examples"]
    statistics = nodes.run(statistics_gen, tmp_path / "StatisticsGen", examples=examples)["statistics"].uri
    schema = tfdv.load_schema_text(model.described.schema_file)
    for split, size in model.described.split_sizes.items():
        found = tfdv.load_stats_binary(os.path.join(statistics, f"Split-{split}", "FeatureStats.pb"))
        assert found.datasets[0].num_examples == size
        assert {feature.path.step[0] for feature in found.datasets[0].features} == {
            "image", "height", "width", "channels", "label",
        }  # fmt: skip
        assert data_gate.describe_anomalies(split, tfdv.validate_statistics(found, schema)) == []
