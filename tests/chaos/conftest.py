"""Runs and the daemon, killed at random moments: `make test-chaos`."""

from __future__ import annotations

import pathlib

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--chaos-seed", type=int, default=1, help="seed of the moments at which processes are killed")
    group.addoption("--chaos-minutes", type=float, default=2.5, help="how long each soak test lasts")
    group.addoption("--chaos-profile", default="sample", help="profile of the run that is killed")
    group.addoption(
        "--chaos-set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the run that is killed"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if pathlib.Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.chaos)
