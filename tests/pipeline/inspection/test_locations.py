"""What a reading command is pointed at."""

from __future__ import annotations

import pytest

from pipeline.core.errors import NotFoundError, SaeError
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location, open_reader
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import STATE, Recorded, Writer


def test_a_root_without_a_store_says_what_fills_it_and_is_read_once_there_is_one(tmp_path):
    root = Root(tmp_path / "root")
    with open_location(PIPELINE, None, root) as place:
        with pytest.raises(NotFoundError, match=f"{root.path}.*`sae run`"):
            place.reader()
        root.create()
        root.metadata.touch()  # so it is for a moment while the first run makes it
        with pytest.raises(NotFoundError):
            place.reader()
        Writer(root.metadata).execution("r1", "Trainer", STATE.COMPLETE)
        assert place.reader().run_ids() == ["r1"]
        assert place.name == str(root.path)


def test_nothing_is_made_where_nothing_is(tmp_path):
    with pytest.raises(NotFoundError), open_reader(PIPELINE, None, Root(tmp_path / "root")):
        pass
    with pytest.raises(SaeError), open_reader(PIPELINE, str(tmp_path / "none.sqlite"), Root(tmp_path / "root")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_lies_in_a_root_brings_the_root_with_it(tmp_path):
    recorded = Recorded(tmp_path)
    recorded.run("r1", names=["SchemaGen"])
    with open_location(PIPELINE, str(recorded.root.metadata), Root(tmp_path / "another")) as place:
        assert place.root == recorded.root
        assert place.reader().root == recorded.root


def test_a_store_elsewhere_has_no_root(tmp_path):
    Writer(tmp_path / "metadata.sqlite").execution("r1", "Trainer", STATE.COMPLETE)
    with open_location(PIPELINE, str(tmp_path / "metadata.sqlite"), Root(tmp_path)) as place:
        assert place.root is None
        assert place.name == str(tmp_path / "metadata.sqlite")
        assert place.reader().run_ids() == ["r1"]


def test_what_was_read_ahead_is_for_the_first_reader_and_only_while_the_store_is_unchanged(tmp_path):
    store = tmp_path / "metadata.sqlite"
    Writer(store).execution("r1", "Trainer", STATE.COMPLETE)
    with open_location(PIPELINE, str(store), Root(tmp_path / "unused")) as place:
        place.read_ahead()
        first, second = place.reader(), place.reader()
        assert first is not second
        assert (first.run_ids(), second.run_ids()) == (["r1"], ["r1"])
        place.read_ahead()
        Writer(store).execution("r2", "Trainer", STATE.COMPLETE)
        assert place.reader().run_ids() == ["r2", "r1"]


def test_nothing_is_read_ahead_of_a_root_without_a_store_or_with_a_damaged_one(tmp_path):
    root = Root(tmp_path / "root")
    with open_location(PIPELINE, None, root) as place:
        place.read_ahead()
        root.create()
        root.metadata.write_bytes(b"no database" * 20)
        place.read_ahead()
        with pytest.raises(SaeError, match="damaged, or no SQLite file"):
            place.reader()
