"""Decisions and deletion whose connection to PostgreSQL is lost at any call: one line, and nothing is lost."""

from __future__ import annotations

import shutil

import pytest

from pipeline.core.errors import ExitCode
from pipeline.metadata import postgresql, root_store
from pipeline.metadata.database_stores import Server
from pipeline.metadata.postgresql_client import Database
from pipeline.metadata.store import open_store
from pipeline.registry import decision_log, journal
from tests import metadata_stores
from tests.builders.histories import four, made_once, sae

__all__ = ["four", "made_once", "sae"]

COMMANDS = {
    "promote": ("promote", "run-1", "--reason", "better"),
    "pin": ("pin", "run-1", "--reason", "paper"),
    "gc": ("gc", "--yes", "--set", "retention.runs=1", "--set", "retention.pushed=0"),
}


def put_back(recorded, made_once):
    _, as_made, store = made_once
    shutil.rmtree(recorded.folder)
    shutil.copytree(as_made, recorded.folder)
    metadata_stores.reset(recorded.root, store)


def cut(url: str) -> None:
    """End all connections to a database."""
    with postgresql.DatabaseSession(Server(url)) as session:
        session.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def _databases():
    metadata_stores.need_databases()


@pytest.fixture
def calls(four, monkeypatch):
    """Counts the calls of ML Metadata's client; before the call with the number `cut`, the connections end."""
    made = {"count": 0, "cut": 0}
    call = Database.call

    def counted(self, method):
        made["count"] += 1
        if made["count"] == made["cut"]:
            cut(four.root.metadata_url())
        call(self, method)

    monkeypatch.setattr(Database, "call", counted)
    return made


def outcome(recorded):
    """What a command made: decisions, served models, and what is deleted."""
    store = open_store(recorded.root, read_only=True)
    return (
        [(one.kind, one.run_id, one.reason) for one in decision_log.decisions(store) if one.carried_out],
        sorted(path.name for path in recorded.root.serving.iterdir()),
        sorted(one.id for one in store.all_artifacts() if one.deleted),
        sorted(str(path.relative_to(recorded.root.path)) for path in recorded.root.artifacts.rglob("*")),
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("share", [0.0, 0.4, 0.7, 1.0])
def test_a_command_whose_connection_is_lost_can_be_repeated(four, made_once, sae, calls, command, share):
    words = COMMANDS[command]
    assert sae(*words)[0] == ExitCode.DONE
    expected, count = outcome(four), calls["count"]
    put_back(four, made_once)
    calls.update(count=0, cut=max(1, round(share * count)))
    code, out, error = sae(*words)
    assert code == ExitCode.ENVIRONMENT, (calls, out, error)
    assert len(error.splitlines()) == 1
    assert "traceback" not in error.lower()
    calls["cut"] = -1
    assert sae("fsck")[0] == ExitCode.DONE
    with root_store.lock(four.root):  # as the next command that writes, which completes or cancels a decision
        journal.reconcile(four.root, open_store(four.root))
    if not outcome(four)[0]:
        assert sae(*words)[0] == ExitCode.DONE
    assert outcome(four) == expected
    assert sae("fsck")[0] == ExitCode.DONE
