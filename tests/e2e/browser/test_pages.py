"""Each page, in a browser: it opens without complaint, fits a phone and a desktop, and can be used by everybody.

And a run that is followed to its end, and the pages as files. One file of tests for all, because each file starts its
own browser and makes its own site.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import urllib.parse

import pytest

from pipeline.artifacts import types
from pipeline.core.pipeline_root import Root
from pipeline.inspection.locations import open_reader
from pipeline.metadata.store import open_store
from pipeline.registry import listing
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.e2e.browser.conftest import DESKTOP, PHONE, SCRIPT, served, visiting
from tests.e2e.conftest import PROJECT, QUICK_OPTIONS, sae


def begin(root, *options):
    """Start a run on the sample in a process of its own."""
    command = [sys.executable, "-m", "pipeline", "run", *QUICK_OPTIONS, *options, "--json", "--root", str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT)


def test_a_run_is_followed_to_its_end(chromium, sample_run, tmp_path):
    """Without a reload. What precedes the training is cached, and nothing follows it: pages show later nodes alike.

    tests/pipeline/web/test_missing.py has the pages of a root before its first run. This test is the first one, so that
    no other page is open beside it.
    """
    root = sample_run.copy(tmp_path / "root")
    with served("--root", root) as address, visiting(chromium, address) as visitor:
        page = visitor.visit("/")
        process = begin(root, "--set", "training.epochs=8", "--to-node", "Trainer")
        copied = root / "manifests" / f"{sample_run.run_id}.json"
        while not (begun := set((root / "manifests").glob("*.json")) - {copied}):
            assert process.poll() is None, process.communicate()
            page.wait_for_timeout(100)
        [manifest] = begun
        page.wait_for_timeout(1_000)  # the context follows the manifest
        visitor.visit(f"/runs/{manifest.stem}")
        page.evaluate("window.first = true")
        page.get_by_text("running").first.wait_for()
        page.get_by_text(re.compile(r"epoch \d+ of 8|\d+/8|epoch \d+", re.IGNORECASE)).first.wait_for(timeout=90_000)
        page.locator("main", has_text="succeeded").wait_for(timeout=600_000)
        assert page.evaluate("window.first") is True  # the same page all the time
        output, errors = process.communicate(timeout=300)
        assert json.loads(output)["exit_code"] == 0, errors
        curves = [page.locator(f"[data-live={part}] .chart-lines").count() for part in ("training", "outputs")]
        assert curves == [0, 1]  # those of the finished run replaced the live ones
        assert page.evaluate("document.querySelectorAll('[aria-live]').length") >= 1


def artifacts(site):
    """An artifact of each type, by type."""
    with open_reader(PIPELINE, None, Root(site.root)) as reader:
        run = reader.run(site.first)
    return {use.artifact.type: use.artifact.id for node in run.nodes for use in node.outputs}


def paths(site):
    """A page of each kind; of artifacts one of each type."""
    found = {
        "runs": "/",
        "run": f"/runs/{site.first}",
        "failed run": f"/runs/{site.failed}",
        "node": f"/runs/{site.first}/nodes/Trainer",
        "compare": f"/compare?run={site.first}&run={site.second}",
        "artifacts": "/artifacts",
        "lineage": f"/artifacts/{artifacts(site)['Model']}/lineage",
        "models": "/models",
        "schedules": "/schedules",
        "odd artifact": f"/artifacts/{site.odd}",
        "odd run": f"/runs/{urllib.parse.quote(SCRIPT, safe='')}",
    }
    return found | {name: f"/artifacts/{number}" for name, number in artifacts(site).items()}


@dataclasses.dataclass(frozen=True)
class Seen:
    """A page in a browser: its title, the text of its content, and what is wrong with it."""

    title: str
    text: str
    problems: list[str]


# Rules of axe-core that depend on the colours or the width; the others judge the HTML, which is the same for all.
OF_THE_VIEW = ("color-contrast", "scrollable-region-focusable", "target-size")


# Of each view: the size of the window, the colour scheme, and rules of axe-core, all if none.
VIEWS = {"desktop, light": (DESKTOP, "light", ()), "phone, dark": (PHONE, "dark", OF_THE_VIEW)}


@pytest.fixture(scope="module")
def views(chromium, site):
    """Each page by name, for each view: visited once, because rendering it takes longer than changing the window."""
    found = {view: {} for view in VIEWS}
    with visiting(chromium, site.address) as visitor:
        for name, path in paths(site).items():
            page = visitor.visit(path)
            for view, (size, scheme, rules) in VIEWS.items():
                page.set_viewport_size(size)
                page.emulate_media(color_scheme=scheme)
                page.evaluate("new Promise(requestAnimationFrame)")  # the page has heard of its new size by then
                problems = visitor.violations(*rules)
                if wider := visitor.too_wide():
                    problems.append(f"{wider} px wider than the window")
                found[view][name] = Seen(page.title(), page.inner_text("main"), problems)
        visitor.visit("/")
    return found


@pytest.fixture(params=VIEWS)
def seen(request, views):
    """Each page in a view, by name."""
    return views[request.param]


def test_every_page_is_accessible_and_fits(seen):
    assert {name: page.problems for name, page in seen.items() if page.problems} == {}


def test_the_pages_hold_in_both_schemes_what_they_are_about(seen, site):
    titles = {name: page.title for name, page in seen.items()}
    assert len(set(titles.values())) == len(titles), "a title of its own each"
    assert site.first in titles["run"]


def test_every_preview_has_pages_that_show_no_lack(seen, site):
    for type_name in artifacts(site):
        if types.find(type_name).preview:
            assert "no preview" not in seen[type_name].text.lower(), type_name


def test_runs_are_listed_filtered_sorted_and_chosen_to_compare(visitor, site):
    page = visitor.visit("/")
    table = page.get_by_role("table").first
    for run in (site.first, site.second, site.failed):
        assert table.get_by_role("link", name=run, exact=True).is_visible()
    page.get_by_label("State").select_option("failed")
    if page.get_by_role("button", name=re.compile("Show|Filter|Apply")).count():
        page.get_by_role("button", name=re.compile("Show|Filter|Apply")).first.click()
    page.wait_for_url(re.compile("state=failed"))
    page.get_by_role("table").first.get_by_role("link", name=site.failed, exact=True).wait_for()
    assert page.get_by_role("table").first.get_by_role("link", name=site.first, exact=True).count() == 0
    page = visitor.visit("/")
    for run in (site.first, site.second):
        page.get_by_role("checkbox", name=re.compile(re.escape(run))).check()
    page.get_by_role("button", name=re.compile("Compare")).first.click()
    page.wait_for_url(re.compile("/compare"))
    assert "model.l1" in page.inner_text("main")


def test_a_run_shows_its_graph_times_metrics_pictures_and_how_to_make_it_again(visitor, site):
    page = visitor.visit(f"/runs/{site.first}")
    text = page.inner_text("main")
    for node in PIPELINE.names:
        assert page.locator("svg a", has_text=node).count() or page.get_by_role("link", name=node).count(), node
    assert "bce" in text.lower()
    assert f"manifests/{site.first}.json" in text  # the command that makes it again
    pictures = page.locator("img[src*='/pictures/']")
    assert pictures.count() >= 20  # ten digits and their reconstructions
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_no_chart_of_a_run_scrolls_beside_the_scroll_bar_of_the_page(visitor, site):
    page = visitor.visit(f"/runs/{site.first}")
    page.set_viewport_size({**DESKTOP, "width": DESKTOP["width"] - 15})  # this Chromium draws no scroll bar
    wide = "frames => frames.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
    assert page.locator(".drawing-frame").evaluate_all(wide) == []
    page.set_viewport_size(DESKTOP)


def test_a_failed_run_says_why_before_all_else(visitor, site):
    page = visitor.visit(f"/runs/{site.failed}")
    text = page.inner_text("main")
    assert "the data does not fit its schema" in text
    assert text.index("the data does not fit its schema") < text.index("StatisticsGen")


def test_runs_side_by_side_show_only_what_differs(visitor, site):
    page = visitor.visit(f"/compare?run={site.first}&run={site.second}")
    text = page.inner_text("main")
    assert "model.l1" in text
    assert "training.batch_size" not in text  # the same in both
    assert page.locator("img[src*='/pictures/']").count() >= 30  # ten digits, and two reconstructions of each
    assert page.locator("svg").count() >= 2  # curves, and active units against BCE


@pytest.mark.parametrize("wanted", ["/compare", "/compare?run=latest", "/compare?" + "run=latest&" * 9])
def test_runs_that_cannot_be_compared_get_a_sentence(chromium, site, wanted):
    context = chromium.new_context()
    page = context.new_page()
    answer = page.goto(site.address + wanted)
    assert answer.status in (200, 400)
    assert "2" in page.inner_text("main")
    assert "8" in page.inner_text("main")
    context.close()


def test_artifacts_are_rendered_by_type(visitor, site):
    number = artifacts(site)
    page = visitor.visit(f"/artifacts/{number['Examples']}")
    assert page.locator("img[src*='/pictures/']").count() >= 10
    assert "3,572" in page.inner_text("main")
    page = visitor.visit(f"/artifacts/{number['ExampleStatistics']}")
    assert page.locator("svg").count() >= 3
    page = visitor.visit(f"/artifacts/{number['Schema']}")
    assert "label" in page.inner_text("main")
    page = visitor.visit(f"/artifacts/{number['Model']}")
    text = page.inner_text("main")
    assert "419,120" in text
    assert "serving_default" in text
    assert page.locator("img[src*='/pictures/']").count() >= 10  # the decoder's answer to each unit
    page = visitor.visit(f"/artifacts/{number['ModelBlessing']}")
    assert "blessed" in page.inner_text("main").lower()
    page = visitor.visit(f"/artifacts/{number['ModelEvaluation']}")
    assert "label 3" in page.inner_text("main")


def test_lineage_leads_from_the_data_to_the_report(visitor, site):
    page = visitor.visit(f"/artifacts/{artifacts(site)['Examples']}/lineage")
    page.locator("svg a", has_text="Report").first.click()
    page.wait_for_url(re.compile(r"/(artifacts|runs)/"))
    assert "Report" in page.inner_text("h1") or "Report" in page.title()


def test_what_is_called_like_a_script_stays_text(visitor, site):
    for path in (f"/artifacts/{site.odd}", f"/artifacts/{site.odd}/lineage", "/", "/artifacts",
                 f"/runs/{urllib.parse.quote(SCRIPT, safe='')}"):  # fmt: skip
        page = visitor.visit(path)
        assert page.evaluate("window.hacked") is None
        assert SCRIPT in page.inner_text("body"), path


def test_schedules_say_what_is_planned_and_what_came_of_it(visitor, site):
    page = visitor.visit("/schedules")
    assert page.get_by_role("alert").is_visible()  # no daemon runs
    nightly = page.get_by_role("region", name="nightly")
    assert nightly.get_by_role("link", name=site.failed, exact=True).first.is_visible()
    assert nightly.get_by_role("listitem").count() == 5 + 3  # next times, and ticks
    assert not nightly.get_by_text("Missed ticks").is_visible()
    nightly.get_by_text("Command and policies").click()
    nightly.get_by_text("Missed ticks").wait_for()
    assert SCRIPT in page.inner_text("main")
    assert page.evaluate("window.hacked") is None
    nightly.get_by_role("link", name=site.failed, exact=True).first.click()
    page.wait_for_url(re.compile(f"/runs/{site.failed}"))


def test_a_run_leads_to_the_version_that_it_is_served_as(visitor, site):
    served = listing.list_models(open_store(Root(site.root), read_only=True), Root(site.root), ()).served
    page = visitor.visit(f"/runs/{served.run}")
    page.get_by_role("link", name=f"as version {served.version}").click()
    page.wait_for_url(re.compile(f"/models#version-{served.version}$"))
    row = page.locator(f"#version-{served.version}").inner_text()
    assert [text in row for text in ("served", served.run, "pushed")] == [True] * 3
    page.get_by_role("link", name="Serve another model").click()
    assert "sae promote RUN --reason" in page.inner_text("main")
    assert visitor.visit(f"/runs/{site.failed}").get_by_role("link", name="as version").count() == 0


def test_the_report_opens_and_can_run_no_script(visitor, site):
    page = visitor.visit(f"/artifacts/{artifacts(site)['Report']}/files/report.html")
    assert "Sparse autoencoder" in page.inner_text("body")
    assert page.evaluate("window.origin") == "null"  # a sandbox


def test_the_keyboard_reaches_the_content_first(visitor, site):
    page = visitor.visit(f"/runs/{site.first}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()").lower().startswith("skip")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_without_javascript_the_pages_say_and_do_the_same(chromium, site):
    with visiting(chromium, site.address, java_script_enabled=False) as visitor:
        page = visitor.visit("/")
        assert page.get_by_role("link", name=site.first, exact=True).first.is_visible()
        for run in (site.first, site.second):
            page.get_by_role("checkbox", name=re.compile(re.escape(run))).check()
        page.get_by_role("button", name=re.compile("Compare")).first.click()
        page.wait_for_url(re.compile("/compare"))
        assert "model.l1" in page.inner_text("main")
        assert "Trainer" in visitor.visit(f"/runs/{site.first}").inner_text("main")


def test_a_table_is_sorted_in_the_page(visitor, site):
    page = visitor.visit("/")
    header = page.get_by_role("columnheader", name=re.compile("BCE"))
    header.get_by_role("link").or_(header.get_by_role("button")).first.click()
    page.wait_for_selector("th[aria-sort=ascending], th[aria-sort=descending]")


def test_a_page_that_is_not_there_leads_back(chromium, site):
    context = chromium.new_context()
    page = context.new_page()
    assert page.goto(site.address + "/runs/nothing").status == 404
    page.get_by_role("link", name=re.compile("Runs")).first.click()
    # `is_visible` does not wait for the page that a click leads to.
    page.get_by_role("link", name=site.first, exact=True).first.wait_for()
    context.close()


def test_exported_pages_open_from_the_disk(chromium, site, tmp_path):
    folder = tmp_path / "exported"
    done = sae("export", folder, "--root", site.root)
    assert done.returncode == 0, done.stderr
    context = chromium.new_context(viewport=DESKTOP)
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith("file://") else None)
    page.on("requestfailed", lambda asked: complaints.append(asked.url))
    page.goto((folder / "index.html").as_uri())
    page.get_by_role("link", name=site.first, exact=True).first.click()
    page.wait_for_load_state()  # the title is there before the pictures are
    assert site.first in page.title()
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    page.locator("svg a", has_text="Trainer").first.click()
    page.get_by_role("link", name=re.compile("model", re.IGNORECASE)).first.click()
    assert page.inner_text("h1")
    assert complaints == []
    context.close()
