"""A root that belongs to another user: commands on schedules name the owner and the remedy."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator

import pytest

from pipeline.core.errors import UnavailableError
from pipeline.core.pipeline_root import Root
from pipeline.scheduler import daemon, schema
from pipeline.scheduler.run_process import DaemonFiles
from pipeline.scheduler.store import ScheduleDatabase
from tests.builders import namespaces
from tests.builders.schedules import SetClock, schedule

CALLS: dict[str, Callable[[pathlib.Path], object]] = {"open": ScheduleDatabase.open, "run": daemon.run}


@pytest.fixture
def folder() -> Iterator[pathlib.Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to have two users")
    with namespaces.visible_folder() as found:
        Root(found).create()
        yield found


def check(folder: pathlib.Path, call: Callable[[pathlib.Path], object], named: pathlib.Path) -> None:
    before = sorted(folder.rglob("*"))
    with namespaces.as_nobody(), pytest.raises(UnavailableError) as caught:
        call(folder)
    for part in (str(named), "root (user id 0)", f"user id {namespaces.NOBODY}", "chmod -R g+rwX", "--root"):
        assert part in str(caught.value)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_root_without_schedules(folder: pathlib.Path, call: Callable[[pathlib.Path], object]) -> None:
    check(folder, call, folder)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_root_with_schedules(folder: pathlib.Path, call: Callable[[pathlib.Path], object]) -> None:
    with ScheduleDatabase.open(folder, SetClock("2026-11-24 20:30")) as database:
        database.add(schedule("nightly"))
    DaemonFiles(folder).folder.mkdir()
    check(folder, call, folder)


@pytest.mark.parametrize("name", [schema.NAME, f"{schema.NAME}-wal", f"{schema.NAME}-shm"])
def test_a_file_of_the_database_in_a_root_that_all_may_write(folder: pathlib.Path, name: str) -> None:
    folder.chmod(0o777)
    with ScheduleDatabase.open(folder, SetClock("2026-11-24 20:30")):
        for path in folder.glob(f"{schema.NAME}*"):
            path.chmod(0o644 if path.name == name else 0o666)
        check(folder, ScheduleDatabase.open, folder / name)
