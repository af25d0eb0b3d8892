"""How numbers and addresses are written."""

import datetime
import json

import pytest

from pipeline.artifacts.sections import BarValue
from pipeline.core.text import counted
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import formatting, rendering, urls

METRICS = formatting.DeclaredMetrics(PIPELINE.declared_metrics)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), (float("nan"), "–"), (-1, "0.0 s"), (0.063, "0.1 s"), (30.14, "30.1 s"), (125, "2 min 05 s")],
)  # fmt: skip
def test_durations(seconds, said):
    assert formatting.duration(seconds) == said


def test_moments_are_in_utc():
    when = datetime.datetime(2026, 11, 24, 18, 21, 59, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    assert (formatting.moment(when), formatting.moment(None)) == ("2026-11-24 16:21", "–")


def test_metrics_have_the_digits_that_they_deserve():
    assert METRICS.text("bce", 0.09432) == "0.0943"
    assert METRICS.text("active_units", 17.24) == "17.2"
    assert METRICS.text("example_count", 10_000.0) == "10,000"
    assert METRICS.text("mse", None) == "–"
    assert METRICS.text("of_another_pipeline", 1.0) == "1.0000"
    assert METRICS.label("of_another_pipeline") == "Of another pipeline"


def test_deltas():
    assert METRICS.delta("bce", 0.0806, 0.0943) == "−0.0137"
    assert METRICS.delta("active_units", 28.4, 17.2) == "+11.2"
    assert METRICS.delta("bce", 0.09431, 0.09432) == "±0"
    assert METRICS.delta("bce", None, 0.1) == ""
    assert METRICS.delta("bce", float("inf"), 0.1) == ""


def test_the_unit_of_a_metric_is_that_of_the_data():
    [metric] = (one for one in METRICS.all_columns if one.name == "active_units")
    assert formatting.run_metric_title(metric, unit=True) == "Active units, per image"
    assert formatting.run_metric_title(metric, unit=True, replaced={"image": "vector"}) == "Active units, per vector"


def test_counts_and_words():
    assert formatting.words("bce_to_mean_image") == "BCE to mean image"
    assert METRICS.label("knn_accuracy") == "k-NN accuracy"
    assert counted(1, "node") == "1 node"
    assert counted(2_000, "use is", "uses are") == "2,000 uses are"
    assert formatting.cut("x" * 10, 4) == "xxx…"


class TestAddresses:
    def test_different_names_have_different_parts(self):
        names = [
            "a",
            "A",
            "a/b",
            "a%2Fb",
            "..",
            ".",
            "",
            "~a",
            urls.segment(".."),
            "a.json",
            "a.html",
            "x" * 5000,
            "x" * 5001,
        ]
        parts = [urls.segment(name) for name in names]
        assert len(set(parts)) == len(names)
        assert all(len(part) <= 200 and "/" not in part and part not in (".", "..", "") for part in parts)
        assert not any(part.endswith((".json", ".html")) for part in parts)

    def test_a_plain_one_stays_itself(self):
        assert urls.segment("20261124-165031") == "20261124-165031"
        assert urls.Links().run("a b") == "/runs/a%20b"

    def test_a_query_leaves_out_what_is_empty(self):
        assert urls.Links().runs(state="failed", start="50") == "/?state=failed&start=50"
        assert urls.Links().json("/?state=failed") == "/runs.json?state=failed"
        assert urls.Links().file(3, "a b/c#.pb") == "/artifacts/3/files/a%20b/c%23.pb"
        assert urls.Links().file(3, "a/../b") == ""


def test_json_has_null_for_what_it_cannot_hold():
    values = json.loads(rendering.page_json("some", BarValue("x", float("nan"))))
    assert values == {"schema_version": 2, "page": "some", "label": "x", "value": None, "note": ""}
