"""The pages of sweeps, their downloads, and the command that writes them."""

from __future__ import annotations

import csv
import json
import re
import sys

import pytest
from click.testing import CliRunner

from pipeline.cli.sweep_export import export_command
from pipeline.core.errors import ExitCode, UnavailableError, UsageError
from pipeline.inspection.locations import open_location
from pipeline.inspection.reader import Reader
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import static_site
from pipeline.web.sweep_files import TYPES
from tests.builders import pages as content
from tests.builders.pages import Seen
from tests.builders.sweeps import Points, defined


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A root with a sweep of two settings and two seeds; of the third combination, one seed failed."""
    points = Points(tmp_path_factory.mktemp("swept"))
    over = ["model.l1=0,1e-3,1e-2"]
    defined(points.root, over=over, seeds=2, minimise=["test_mse"], assigned=["training.seed=40"])
    for number, mse, active in ((1, 0.25, 30.0), (2, 0.75, 32.0), (3, 0.5, 10.0), (4, 0.75, 12.0)):
        points.run(number, test_mse=mse, active_units=active, dead_units=float(number > 2), varied={"model.l1": 0.5})
    points.run(5, state="failed", error="Trainer: the loss became <nan>")
    return points


@pytest.fixture
def pages(swept, ask):
    return ask(swept.root)


def test_sweeps_are_in_the_navigation_where_a_root_has_some(pages, site):
    listed = pages.get("/sweeps")
    assert listed.status_code == 200
    assert "/sweeps/l1" in Seen(listed.text).links
    assert "/sweeps" in Seen(pages.get("/").text).links
    assert "/sweeps" not in Seen(site.get("/").text).links
    assert "No sweeps yet" in Seen(site.get("/sweeps").text).text
    assert [one["name"] for one in pages.get("/sweeps.json").json()["sweeps"]] == ["l1"]


def test_the_page_has_all_points_the_means_and_what_chose(pages):
    page = pages.get("/sweeps/l1").text
    text = Seen(page).text
    assert "Trainer: the loss became <nan>" in text
    assert "0.50000" in text  # the mean of 0.25 and 0.75
    assert "-2.67655 to 3.67655" in text  # 0.5 ± 12.706 * 0.3536 / sqrt(2)
    _, *rows = page.split('<tr id="point-')
    assert [re.findall(r"<td>([^<]*)</td>", row)[1] for row in rows] == ["40", "41"] * 3  # after the varied setting
    view = pages.get("/sweeps/l1.json").json()
    assert [one["seed"] for one in view["sweep"]["points"]] == [40, 41] * 3
    assert (view["split"], view["y"]) == ("test", "test_mse")
    [method] = view["frontier"]["methods"]
    assert [(one["x"]["mean"], one["y"]["mean"], one["joined"], one["marked"]) for one in method["points"]] == [
        (31.0, 0.5, True, 0.0),
        (11.0, 0.625, True, 1.0),
    ]
    assert [one["point"] for one in method["seeds"]] == [1, 2, 3, 4]
    assert len(view["sweep"]["points"]) == 6
    assert any("No test images" in one for one in view["missing"])


def test_the_other_split_is_a_link_away(pages):
    page = Seen(pages.get("/sweeps/l1").text)
    assert "/sweeps/l1?split=validation" in page.links
    answer = pages.get("/sweeps/l1.json?split=validation")
    assert answer.status_code == 200
    assert answer.json()["split"] == "validation"
    assert answer.json()["baselines"] == []
    for query in ("split=train", "y=none"):
        assert pages.get(f"/sweeps/l1?{query}").status_code == 400


def test_unknown_sweeps_and_files_are_not_found(pages):
    for path in ("/sweeps/l2", "/sweeps/l1/sweep.png", "/sweeps/l2/sweep.csv", "/sweeps/..%2Fl1", "/sweeps/~00"):
        assert pages.get(path).status_code == 404


@pytest.mark.parametrize("kind", TYPES)
def test_a_sweep_can_be_downloaded(pages, kind):
    answer = pages.get(f"/sweeps/l1/sweep.{kind}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES[kind]
    assert f"l1.{kind}" in answer.headers["content-disposition"]
    assert answer.content.startswith({"csv": b"row,", "svg": b"<?xml", "pdf": b"%PDF"}[kind])
    assert pages.get(f"/sweeps/l1/sweep.{kind}").content == answer.content  # the same bytes


def test_the_command_writes_what_the_page_gives(swept, pages, tmp_path):
    for kind in TYPES:
        target = tmp_path / f"l1.{kind}"
        ended = CliRunner().invoke(export_command, ["l1", "--to", str(target), "--root", str(swept.root.path)])
        assert ended.exit_code == ExitCode.DONE, ended.output
        assert target.read_bytes() == pages.get(f"/sweeps/l1/sweep.{kind}").content
    rows = list(csv.DictReader((tmp_path / "l1.csv").open()))
    assert [one["row"] for one in rows] == ["point"] * 6 + ["combination"] * 3


@pytest.mark.parametrize(
    "options",
    [
        ["--to", "l1.png"],
        ["--to", "l1"],
        ["--to", "l1.csv", "--split", "train"],
        ["--to", "l1.csv", "--y", "accuracy"],
        ["--to", "there.csv"],
    ],
)
def test_the_command_refuses_what_it_cannot_write(swept, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("kept")
    ended = CliRunner().invoke(export_command, ["l1", *options, "--root", str(swept.root.path)])
    assert isinstance(ended.exception, UsageError) or ended.exit_code == ExitCode.USAGE
    assert [one.name for one in tmp_path.iterdir()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "kept"


def test_without_matplotlib_a_pdf_is_refused_in_one_line(swept, pages, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for kind in ("pdf", "svg"):
        options = ["l1", "--to", str(tmp_path / f"l1.{kind}"), "--root", str(swept.root.path)]
        ended, answer = CliRunner().invoke(export_command, options), pages.get(f"/sweeps/l1/sweep.{kind}")
        if kind == "svg":
            assert (ended.exit_code, answer.status_code) == (ExitCode.DONE, 200)
        else:
            assert isinstance(ended.exception, UnavailableError)
            assert "matplotlib" in str(ended.exception)
            assert "\n" not in str(ended.exception)
            assert answer.status_code == 503
    assert [one.name for one in tmp_path.iterdir()] == ["l1.svg"]


def test_a_name_like_the_address_of_a_json_endpoint_has_a_page(tmp_path, ask):
    points = Points(tmp_path)
    defined(points.root, name="a.json")
    client = ask(points.root)
    [link] = [one for one in Seen(client.get("/sweeps").text).links if one.startswith("/sweeps/")]
    assert client.get(link).status_code == 200
    assert json.loads(client.get(f"{link}.json").text)["sweep"]["row"]["name"] == "a.json"


def test_a_damaged_sweep_is_named_and_left_out(tmp_path, ask):
    points = Points(tmp_path)
    defined(points.root, name="good")
    defined(points.root, name="bad")
    (points.root.sweeps / "bad" / "sweep.json").write_text("{")
    view = ask(points.root).get("/sweeps.json").json()
    assert [one["name"] for one in view["sweeps"]] == ["good"]
    assert [str(points.root.sweeps / "bad") in one for one in view["damaged"]] == [True]
    assert ask(points.root).get("/sweeps/bad").status_code == 503


def test_an_export_has_the_sweeps_and_their_files(swept, tmp_path):
    with open_location(PIPELINE, None, swept.root) as place:
        static_site.export(place, tmp_path / "site")
    page = Seen((tmp_path / "site" / "sweeps" / "l1.html").read_text())
    assert {"l1/sweep.csv", "l1/sweep.svg", "l1/sweep.pdf", "../sweeps.html"} <= set(page.links)
    assert (tmp_path / "site" / "sweeps" / "l1" / "sweep.svg").read_text().startswith("<?xml")
    assert "sweeps/l1.html" in Seen((tmp_path / "site" / "sweeps.html").read_text()).links


def test_the_test_images_and_pca_are_those_of_a_report_of_the_same_model(tmp_path, ask):
    points = Points(tmp_path)
    recorded, root = points.recorded, points.root
    defined(root, over=["model.l1=0,1e-3"], minimise=["test_mse"])
    nodes = [name for name in PIPELINE.names if name not in ("PushGate", "Pusher", "Report")]
    for number, l1 in ((1, "0"), (2, "1e-3")):
        recorded.run(f"point-{number}", f"model.l1={l1}", names=nodes)
        known = {"test_mse": 0.02, "validation_mse": 0.03 + number, "active_units": 8.0 - number}
        recorded.end(f"point-{number}", trigger=f"sweep l1 point {number}", state="succeeded", seconds=1.0, **known)
    recorded.run("whole", "model.l1=0")  # another execution of Trainer: the same content, another artifact
    recorded.end("whole", trigger="manual", state="succeeded", seconds=1.0)
    content.show(recorded, "whole")
    view = ask(root).get("/sweeps/l1.json").json()
    assert view["pictured"] == [{"combination": 1, "point": 1, "run": "whole"}]
    assert [len(one["pictures"]) for one in view["images"]] == [1] * len(view["images"])
    assert view["images"]
    assert ["combination 2:" in one and "point-2.json" in one for one in view["missing"]] == [True]
    assert {one["name"]: one["value"] for one in view["baselines"]}["pca_mse"] == 0.0168  # as the builder records it
    page = Seen(ask(root).get("/sweeps/l1").text)
    pictures = [one for one in page.links if "/pictures/" in one]
    assert pictures
    assert all(ask(root).get(one).status_code == 200 for one in pictures)
    for kind, part in (("svg", b"data:image/png;base64,"), ("pdf", b"%PDF")):
        assert part in ask(root).get(f"/sweeps/l1/sweep.{kind}").content


def test_a_sweep_on_vectors_has_their_words_and_no_profile_of_images(tmp_path, ask, monkeypatch):
    points = Points(tmp_path)
    assigned = ["data.dataset=signals", "model.loss=mse"]
    defined(points.root, over=["model.l1=0,1e-3"], profile="mnist", assigned=assigned)
    first, _ = (points.run(one, test_mse=0.25, active_units=30.0) for one in (1, 2))
    of_vectors = {"image": "vector", "pixel": "value"}
    monkeypatch.setattr(Reader, "words", lambda self, run: of_vectors if run == first else {})
    client = ask(points.root)
    view = client.get("/sweeps/l1.json").json()
    assert (view["profile"], view["words"]) == ("", of_vectors)
    assert view["missing"][:2] == [
        "No test vectors: no combination is complete and has validation MSE.",
        "No baseline mean vector: no run of these models has computed mean vector's MSE.",
    ]
    text = Seen(client.get("/sweeps/l1").text).text
    assert "Profile none" in text
    for shown in (text, client.get("/sweeps/l1/sweep.svg").text):
        assert "Active units, per vector" in shown
        assert "per image" not in shown
    assert "image" not in text
