"""The files of sweeps."""

import pytest

from pipeline.core.errors import LockedError, UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.sweeps import files


def test_a_second_sweep_names_the_one_that_runs(tmp_path):
    with files.lock(Root(tmp_path)) as record:
        record("narrow")
        with pytest.raises(LockedError, match=r"process \d+ since [^,]*, sweep narrow;"), files.lock(Root(tmp_path)):
            pass


def test_a_root_whose_folder_of_sweeps_cannot_be_created_is_named(tmp_path):
    (tmp_path / "sweeps").touch()
    with pytest.raises(UnavailableError, match=rf"cannot create {tmp_path}/sweeps: "):
        files.lock(Root(tmp_path))
