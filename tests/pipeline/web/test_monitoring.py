"""What Prometheus collects."""

import datetime
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.inspection.reader import Reader
from tests.builders.histories import note


def gauges(answer):
    """Values by name and label, read by the parser of Prometheus' own library."""
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_runs_are_counted_by_state(site):
    found = gauges(site.get("/metrics"))
    states = {key[1]: value for key, value in found.items() if key[0] == "sae_runs"}
    assert states == {"succeeded": 3, "failed": 1, "running": 0, "cancelled": 0, "unfinished": 0}
    assert (found["sae_healthy",], found["sae_daemon_up",], found["sae_schedules",]) == (1, 0, 0)


def test_the_last_success_is_the_latest_end(site):
    rows = [row for row in site.get("/runs.json").json()["runs"] if row["state"] == "succeeded"]
    starts = [datetime.datetime.fromisoformat(row["started"].replace("Z", "+00:00")).timestamp() for row in rows]
    last = max(start + row["seconds"] for start, row in zip(starts, rows, strict=True))
    assert gauges(site.get("/metrics"))["sae_last_success_timestamp_seconds",] == pytest.approx(last, abs=1)


@pytest.fixture
def reads(monkeypatch):
    """Each list of runs that was read."""
    found, read = [], Reader.runs

    def counted(self, **options):
        found.append(options)
        return read(self, **options)

    monkeypatch.setattr(Reader, "runs", counted)
    return found


def test_runs_are_read_again_only_if_the_store_changed(recorded, ask, reads):
    recorded.run("one", names=["SchemaGen"])
    note(recorded, "one", state="succeeded")
    client = ask(recorded.root)
    before = gauges(client.get("/metrics"))
    assert before == pytest.approx(gauges(client.get("/metrics")), rel=0.2)  # the disk changes
    assert (before["sae_runs", "succeeded"], len(reads)) == (1, 1)
    recorded.run("two", names=["SchemaGen"])
    note(recorded, "two", state="failed")
    assert gauges(client.get("/metrics"))["sae_runs", "failed"] == 1
    assert len(reads) == 2


def test_while_a_run_is_running_they_are_read_each_time(recorded, ask, reads):
    recorded.run("one", names=["SchemaGen"])
    note(recorded, "one", state="succeeded")
    recorded.run("two", names=["SchemaGen"])
    with recorded.root.lock() as name_run:
        name_run("two")
        client = ask(recorded.root)
        assert [gauges(client.get("/metrics"))["sae_runs", "running"] for _ in range(2)] == [1, 1]
    assert len(reads) == 2
    assert gauges(client.get("/metrics"))["sae_runs", "running"] == 0  # its process is gone, the store is the same


def test_the_disk_is_that_of_the_root(site, filled):
    found, disk = gauges(site.get("/metrics")), shutil.disk_usage(filled.root.path)
    assert found["sae_disk_bytes", "total"] == disk.total
    assert found["sae_disk_bytes", "free"] == pytest.approx(disk.free, rel=0.2)


def test_an_empty_root_has_no_success(recorded, ask):
    found = gauges(ask(recorded.root).get("/metrics"))
    assert found["sae_runs", "succeeded"] == 0
    assert not any(key[0] == "sae_last_success_timestamp_seconds" for key in found)


def test_a_store_alone_has_runs_only(filled, ask, tmp_path):
    store = shutil.copy(filled.root.metadata, tmp_path / "alone.sqlite")
    found = gauges(ask(None, str(store)).get("/metrics"))
    assert found["sae_runs", "succeeded"] == 3
    assert {key[0] for key in found} == {"sae_runs", "sae_last_success_timestamp_seconds", "sae_healthy"}


def test_a_store_that_cannot_be_read_is_no_success(recorded, ask):
    recorded.run("one")
    recorded.root.metadata.write_bytes(b"no store")
    assert ask(recorded.root).get("/metrics").status_code == 503
