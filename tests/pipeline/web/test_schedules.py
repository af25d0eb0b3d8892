"""What is planned and what came of it, and what watches the server is told."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import shutil

import pytest

from pipeline import cli
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_location
from pipeline.scheduler import times, triggers
from pipeline.scheduler.store import ScheduleDatabase
from pipeline.scheduler.types import Outcome, Work
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web.static_site import export
from tests.builders import pages as content
from tests.builders import schedules as examples
from tests.builders.pages import Seen
from tests.builders.roots import Recorded


def stamp(seconds: float = 0.0) -> str:
    """A time so many seconds from now."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return times.as_text(now + datetime.timedelta(seconds=seconds))


def fill(root: Root) -> None:
    """A schedule that failed last, one in another zone, one that is paused."""
    with ScheduleDatabase.open(root.path) as database:
        database.add(examples.schedule(on_failure="mail <me>"))
        tokyo = triggers.cron("30 8 * * mon-fri", "Asia/Tokyo")
        database.add(examples.schedule("tokyo", tokyo, Work("mnist", assignments=("model.l1=1e-4",))))
        database.add(examples.schedule("off", triggers.every("6h"), paused="2026-11-24T12:00:00Z"))
        caught_up = (examples.attempt("", 6, "no data"), examples.attempt("good"))
        examples.write(database, examples.MISSED)
        examples.write(
            database, examples.tick("succeeded", Outcome.CAUGHT_UP, caught_up, planned="2026-11-23T03:00:00Z")
        )
        examples.write(
            database, examples.tick("failed", attempts=(examples.attempt("bad", 1, "SchemaGen: <b>broke</b>"),))
        )


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A root with runs and schedules, that no test changes."""
    recorded = Recorded(tmp_path_factory.mktemp("planned"))
    content.fill(recorded)
    content.note(recorded, "better", state="succeeded", trigger="schedule nightly 2026-11-24T03:00:00Z")
    fill(recorded.root)
    return recorded.root


@pytest.fixture
def page(planned, ask):
    return ask(planned).get("/schedules")


class TestPage:
    def test_a_schedule_has_its_timing_times_result_history_and_policies(self, page):
        seen = Seen(page.text)
        assert page.status_code == 200
        assert "nightly At 03:00 every day, UTC" in seen.text
        assert seen.text.count(", 03:00 UTC in ") == 5
        assert "SchemaGen: <b>broke</b>" in seen.text
        assert "no run exit 6" in seen.text
        assert "caught up" in seen.text
        assert "no daemon ran" in seen.text
        assert "Overlapping ticks skipped" in seen.text
        assert "mail <me>" in seen.text
        assert {"/runs/good", "/runs/bad", "#schedule-nightly"} <= set(seen.links)
        assert "schedule-nightly" in seen.ids
        assert seen.inline == []

    def test_another_zone_is_shown_beside_utc(self, page):
        text = Seen(page.text).text
        assert ", 08:30 JST 20" in text
        assert " 23:30 UTC, in " in text
        assert "sae run --profile mnist --set model.l1=1e-4 --root" in text

    def test_one_that_is_paused_says_how_to_go_on(self, page):
        text = Seen(page.text).text
        assert "paused since 2026-11-24 12:00" in text
        assert "Paused. Resume it with sae schedule resume off ." in text

    def test_without_a_daemon_it_says_that_nothing_is_started_and_how(self, page, planned):
        text = Seen(page.text).text
        assert "No daemon is running" in text
        assert f"sae schedule run --root {planned.path}" in text

    def test_the_json_holds_all_of_it(self, planned, ask):
        values = ask(planned).get("/schedules.json").json()
        assert (values["page"], values["alone"], values["daemon"]["state"]) == ("schedules", True, "stopped")
        nightly, off, tokyo = values["schedules"]
        assert [one["planned"]["schedule"]["name"] for one in values["schedules"]] == ["nightly", "off", "tokyo"]
        assert (len(nightly["next"]), len(off["next"]), len(tokyo["next"])) == (5, 0, 5)
        assert [one["tick"]["state"] for one in nightly["history"]] == ["failed", "succeeded", "missed"]

    def test_a_run_leads_to_its_schedule(self, planned, ask):
        client = ask(planned)
        for path in ("/", "/runs/better"):
            assert "/schedules#schedule-nightly" in Seen(client.get(path).text).links
        assert "schedule nightly for 2026-11-24 03:00" in Seen(client.get("/runs/better").text).text

    def test_a_long_history_is_cut_and_says_so(self, recorded, ask):
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
            for day in range(1, 13):
                missed = examples.tick("missed", Outcome.MISSED, (), f"{day}", planned=f"2026-10-{day:02}T03:00:00Z")
                examples.write(database, missed)
        text = Seen(ask(recorded.root).get("/schedules").text).text
        assert "full history with sae schedule history nightly" in text
        assert ("2026-10-03 03:00" in text, "2026-10-02 03:00" in text) == (True, False)

    def test_ticks_that_say_the_same_hide_no_others(self, recorded, ask):
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
            examples.write(database, examples.tick("failed", planned="2026-10-01T03:00:00Z"))
            for minute in range(10, 40):
                same = examples.tick(
                    "skipped", Outcome.SKIPPED, (), "the data did not change", planned=f"2026-10-02T03:{minute}:00Z"
                )
                examples.write(database, same)
        client = ask(recorded.root)
        text = Seen(client.get("/schedules").text).text
        assert "2026-10-02 03:39 skipped 30 times since 2026-10-02 03:10" in text
        assert "2026-10-01 03:00 failed" in text
        assert "full history" not in text
        # What failed is still the last result, and known to what watches.
        [shown] = client.get("/schedules.json").json()["schedules"]
        assert shown["planned"]["last"]["state"] == "failed"
        assert client.get("/health.json").json()["scheduler"]["failing"] == ["nightly"]

    def test_one_that_stands_for_many_says_so(self, recorded, ask):
        same = examples.tick("skipped", Outcome.SKIPPED, (), "the data did not change")
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
            many = dataclasses.replace(same, planned="2026-10-02T03:00:00Z", count=4_321, since="2026-09-02T02:00:00Z")
            examples.write(database, many)
            examples.write(database, dataclasses.replace(same, planned="2026-10-02T03:10:00Z"))
        client = ask(recorded.root)
        text = Seen(client.get("/schedules").text).text
        assert "2026-10-02 03:10 skipped 4,322 times since 2026-09-02 02:00" in text
        assert "full history" not in text
        [shown] = client.get("/schedules.json").json()["schedules"]
        [group] = shown["history"]
        assert (group["count"], group["since"]) == (4_322, "2026-09-02T02:00:00Z")

    def test_a_page_is_followed_while_a_tick_runs(self, recorded, ask, page):
        assert "data-follow" not in page.text
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
            examples.write(database, examples.tick("running"))
        assert "data-follow" in ask(recorded.root).get("/schedules").text


class TestEmpty:
    def test_the_first_commands_are_shown(self, recorded, ask):
        text = Seen(ask(recorded.root).get("/schedules").text).text
        assert "No schedules yet" in text
        assert f'sae schedule add nightly --cron "0 3 * * *" --root {recorded.root.path}' in text
        assert f"sae schedule run --root {recorded.root.path}" in text

    def test_a_root_without_a_run_has_the_page_and_gets_no_file(self, tmp_path, ask):
        client = ask(Root(tmp_path / "new"))
        assert client.get("/schedules").status_code == 200
        assert client.get("/health.json").json()["status"] == "ok"
        assert not (tmp_path / "new").exists()

    def test_a_store_alone_has_none(self, planned, tmp_path, ask):
        shutil.copy(planned.metadata, tmp_path / "mlmd.db")
        client = ask(Root(tmp_path), metadata=str(tmp_path / "mlmd.db"))
        assert "Schedules belong to a pipeline root" in Seen(client.get("/schedules").text).text
        assert client.get("/schedules.json").json()["daemon"] is None
        assert client.get("/health.json").json()["scheduler"] is None


def test_the_files_of_an_export_hold_the_page(planned, tmp_path):
    with open_location(PIPELINE, None, planned) as place:
        export(place, tmp_path / "site")
    page = (tmp_path / "site" / "schedules.html").read_text()
    assert {"runs/good.html", "runs/bad.html", "#schedule-nightly"} <= set(Seen(page).links)
    assert "schedules.html#schedule-nightly" in Seen((tmp_path / "site" / "index.html").read_text()).links
    assert "State at 20" in Seen(page).text
    assert not [word for word in (", in 1", " ago") if word in Seen(page).text]  # what would not be true tomorrow


class TestHealth:
    @pytest.fixture
    def health(self, recorded, ask):
        client = ask(recorded.root)

        def look():
            answer = client.get("/health.json")
            return answer.status_code, answer.json()["status"], answer.json()["scheduler"]

        return look

    def test_a_schedule_needs_a_daemon_that_is_heard_of(self, recorded, health):
        assert health()[:2] == (200, "ok")
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
            assert health()[:2] == (503, "unattended")
            heard = stamp()
            examples.live(database, heard, os.getpid())
            scheduler = {"state": "running", "heard": heard, "schedules": 1, "failing": [], "unreadable": []}
            assert health() == (200, "ok", scheduler)
            examples.live(database, stamp(-3_600), os.getpid())
            assert health()[:2] == (503, "unattended")
            assert health()[2]["state"] == "silent"
            database.pause("nightly")
            assert health()[:2] == (200, "ok")

    def test_without_a_server_it_is_printed_and_the_exit_code_says_the_same(self, recorded, capfdbinary):
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
        with pytest.raises(SystemExit) as end:
            cli.main(["serve", "--get", "/health.json", "--root", str(recorded.root.path)])
        output, errors = capfdbinary.readouterr()
        assert (end.value.code, json.loads(output)["status"]) == (6, "unattended")
        assert errors == b"error: /health.json has status 503: see the output\n"

    def test_a_schedule_that_fails_is_named_and_no_outage(self, recorded, health):
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
            examples.live(database, stamp(), os.getpid())
            examples.write(database, examples.FAILED)
        assert health()[:2] == (200, "ok")
        assert health()[2]["failing"] == ["nightly"]

    def test_a_schedule_fails_until_its_rerun_has_succeeded(self, recorded, health):
        with ScheduleDatabase.open(recorded.root.path) as database:
            database.add(examples.schedule())
            examples.write(database, examples.FAILED)
            rerun = database.trigger("nightly")
            assert rerun.planned > examples.FAILED.planned
            for state, failing in (("waiting", True), ("running", True), ("succeeded", False)):
                database.connection.execute(
                    "UPDATE ticks SET state = ?, decision = 'started' WHERE planned = ?", (state, rerun.planned)
                )
                assert health()[2]["failing"] == ["nightly"] * failing

    def test_a_book_that_cannot_be_read_is_an_outage(self, recorded, ask):
        (recorded.root.path / "schedules.sqlite").write_bytes(b"no database at all" * 100)
        client = ask(recorded.root)
        answer = client.get("/health.json")
        assert (answer.status_code, "schedules.sqlite" in answer.json()["error"]) == (503, True)
        assert client.get("/schedules").status_code == 503
        assert client.get("/").status_code == 200
