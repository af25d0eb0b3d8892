"""A real Chromium on the pages of real runs. Skipped, with the reason, where no Chromium is installed."""

from __future__ import annotations

import contextlib
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import ml_metadata as mlmd
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb

from pipeline.core.pipeline_root import Root
from pipeline.scheduler import triggers
from pipeline.scheduler.store import ScheduleDatabase
from tests import environment
from tests.builders import schedules as examples
from tests.e2e.conftest import PROJECT, QUICK, ChangedRun, run_here

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Without these a Chromium at rest asks its maker's hosts for updates.
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
ABORTED = "net::ERR_ABORTED"
SCRIPT = "<script>window.hacked = true</script>"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


# Not for the whole session: as long as Playwright is there, an event loop runs in the main thread.
@pytest.fixture(scope="package")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH: on Debian, apt-get install chromium")
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@contextlib.contextmanager
def served(*place: str | pathlib.Path) -> Iterator[str]:
    """The address of a `sae serve` in a process of its own."""
    command = [sys.executable, "-m", "pipeline", "serve", "--port", "0", *map(str, place)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        match = re.search(r"http://[^\s/]+", said)
        assert match, said + process.stderr.read()
        try:
            yield match.group(0)
        finally:
            process.terminate()
            assert process.wait(timeout=120) == 0


class Visitor:
    """A page of the browser that notes what it complains of, and what else it asks for.

    Attributes:
      page: Playwright's.
      complaints: errors on the console, scripts that failed, requests that failed or went to other hosts.
    """

    def __init__(self, page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        page.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda asked: self._note(not asked.url.startswith((address, "data:")), asked.url))
        # A picture that was on its way when the page was left is no failure.
        page.on("requestfailed", lambda asked: self._note(asked.failure != ABORTED, f"failed: {asked.url}"))

    def _note(self, wrong: bool, text: str) -> None:
        if wrong:
            self.complaints.append(text)

    def visit(self, path: str, status: int = 200):
        """Goes to a page, and returns Playwright's page."""
        answer = self.page.goto(self.address + path)
        assert answer.status == status, path
        return self.page

    def violations(self, *rules: str) -> list[str]:
        """What axe-core finds wrong with the page, by all of its rules or these."""
        from axe_playwright_python.base import AXE_SCRIPT

        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        if not self.page.evaluate("'axe' in window"):  # loaded once for all views of a page: it has half a megabyte
            self.page.evaluate(AXE_SCRIPT)
        found = self.page.evaluate("options => axe.run(options).then(results => results.violations)", options)
        return [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found]

    def too_wide(self) -> int:
        """How many pixels the page is wider than the window."""
        return self.page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture(scope="package")
def shared_visitor(chromium, site):
    """A visitor of the site, as wide as a desktop: for all tests one, because the window of a new one takes longer."""
    with visiting(chromium, site.address) as found:
        yield found


@pytest.fixture
def visitor(shared_visitor):
    """A visitor that must have nothing to complain of at the end of the test."""
    yield shared_visitor
    complaints, shared_visitor.complaints = shared_visitor.complaints, []
    assert complaints == []


@contextlib.contextmanager
def visiting(chromium, address: str, **options) -> Iterator[Visitor]:
    """A visitor with a browser context of its own."""
    context = chromium.new_context(**{"viewport": DESKTOP, **options})
    try:
        found = Visitor(context.new_page(), address)
        yield found
        assert found.complaints == []
    finally:
        context.close()


class Site:
    """Runs, and the pages on them.

    Attributes:
      root: of the runs.
      address: of the server.
      first, second, failed: ids of runs: two that differ in L1 and epochs, and one whose data does not fit.
      odd: id of an artifact whose name, type and properties are scripts.
    """

    def __init__(self, changed: ChangedRun, root: pathlib.Path) -> None:
        self.root = changed.copy(root)
        self.address = ""
        self.first, self.second = changed.first.run_id, changed.last.run_id
        self.failed = run_here(root, *QUICK, "data.train_examples=1").run_id
        self.odd = put_odd_things(Root(root).metadata)
        plan(Root(root), self.first, self.failed)


def plan(root: Root, first: str, failed: str) -> None:
    """Schedules with a history."""
    with ScheduleDatabase.open(root.path) as database:
        database.add(examples.schedule(on_failure=SCRIPT))
        database.add(examples.schedule("tokyo", triggers.cron("30 8 * * mon-fri", "Asia/Tokyo")))
        database.add(examples.schedule("off", triggers.every("6h"), paused=examples.CREATED))
        examples.write(database, examples.MISSED)
        examples.write(database, examples.tick(planned="2026-11-23T03:00:00Z", attempts=(examples.attempt(first),)))
        examples.write(database, examples.tick("failed", attempts=(examples.attempt(failed, 4, f"no {SCRIPT}"),)))


def put_odd_things(metadata: pathlib.Path) -> int:
    """A run, a node and an artifact that are called like a script; returns the artifact's id."""
    config = pb.ConnectionConfig()
    config.sqlite.filename_uri = str(metadata)
    store = mlmd.MetadataStore(config)
    kind = store.put_artifact_type(pb.ArtifactType(name=f"Odd{SCRIPT}"))
    artifact = pb.Artifact(type_id=kind, name=SCRIPT, uri=f"/nowhere/{SCRIPT}", state=pb.Artifact.LIVE)
    artifact.custom_properties[SCRIPT].string_value = SCRIPT
    execution = pb.Execution(
        type_id=store.put_execution_type(pb.ExecutionType(name=f"Step{SCRIPT}")),
        last_known_state=pb.Execution.FAILED,
    )
    execution.custom_properties["__execution_result__"].string_value = SCRIPT
    contexts = [
        pb.Context(type_id=store.put_context_type(pb.ContextType(name=name)), name=SCRIPT)
        for name in ("pipeline_run", "node")
    ]
    event = pb.Event(type=pb.Event.OUTPUT)
    event.path.steps.add().key = SCRIPT
    _, [made], _ = store.put_execution(execution, [(artifact, event)], contexts)
    return int(made)


@pytest.fixture(scope="package")
def site(chromium, changed, tmp_path_factory):
    with environment.restored():
        found = Site(changed, tmp_path_factory.mktemp("site") / "root")
    with served("--root", found.root) as found.address:
        yield found
