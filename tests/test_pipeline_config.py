"""The configuration: sections, limits and errors."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import pytest

import pipeline_config
from pipeline_config import Configuration, PipelineConfig, Section, setting
from tests import PROJECT

ROOT, PROFILES = PROJECT, PipelineConfig.profiles
SETTINGS = PipelineConfig.settings()
NAMES = list(SETTINGS)
SCHEDULING = pipeline_config.SchedulePolicies.settings()


def limited(limit):
    return [name for name in NAMES if getattr(SETTINGS[name], limit) is not None]


@pytest.mark.parametrize(
    ("value", "text", "words"),
    [
        ("", "", ()),
        ([], "", ()),
        (["--a=1", "b c"], "--a=1 'b c'", ("--a=1", "b c")),
        (" --a=1   'b c'", "--a=1 'b c'", ("--a=1", "b c")),
    ],
)
def test_options_of_beam_are_words(value: object, text: str, words: tuple[str, ...]) -> None:
    engine = pipeline_config.EngineConfig(beam_options=value)  # type: ignore[arg-type]
    assert (engine.beam_options, engine.beam_arguments) == (text, words)


@pytest.mark.parametrize("value", ["--a 'b", [1], 3, {}, None])
def test_other_options_of_beam_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^engine\.beam_options = .*a list of words"):
        pipeline_config.EngineConfig(beam_options=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["flink_master", "job_endpoint", "worker_address"])
@pytest.mark.parametrize(
    "value",
    [
        "", "host", "host:", ":8081", "host:port", "a b:1", "host:0", "host:65536", "host:70000",
        "ftp://host:1", "[]:1", "h\u00e4:1", "a..b:1", ".a:1", "a?b:1", "a@b:1", "a\x01:1", "h:8\u0660",
        f"{'h' * 64}:1", f"{'h.' * 127}h:1",
    ],
)  # fmt: skip
def test_an_address_has_a_host_and_a_port(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=rf"^engine\.{name} = .*HOST:PORT"):
        pipeline_config.EngineConfig(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        "localhost:8081", "10.77.0.1:1", "[::1]:65535", "sae_worker.a-b.:1", f"{'h' * 63}:1", "h:59999", "h:64999",
        "h:65529", "https://flink.example.org:443",
    ],
)  # fmt: skip
def test_addresses(value: str) -> None:
    assert pipeline_config.EngineConfig(flink_master=value).flink_master == value


def test_it_imports_the_standard_library_alone():
    # -S: without the site-packages an import of anything else fails.
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import pipeline_config"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_reference_setting():
    config = PipelineConfig.build(PROFILES["mnist"])
    data, model, training = config.data, config.model, config.training
    assert (data.train_examples, data.validation_examples, data.test_examples) == (50_000, 10_000, 10_000)
    assert (model.hidden_layers, model.code_units, model.l1) == ("256", 32, 0.001)
    assert (training.epochs, training.batch_size, training.learning_rate) == (50, 256, 0.001)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_has_a_meaning_that_fits_a_line(name):
    meaning = SETTINGS[name].meaning
    assert 10 < len(meaning) < 120
    assert "\n" not in meaning


def test_names_come_in_the_order_of_the_sections_without_repetition():
    assert NAMES[0] == "data.dataset"
    assert NAMES[-1] == "retention.max_mib"
    assert len(set(NAMES)) == len(NAMES)
    sections = PipelineConfig.sections()
    assert list(dict.fromkeys(name.partition(".")[0] for name in NAMES)) == list(sections)
    assert [section.section for section in sections.values()] == list(sections)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_valid(profile):
    values = PipelineConfig.build(PROFILES[profile]).values()
    assert {name: values[name] for name in PROFILES[profile]} == PROFILES[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_threshold_of_the_worst_label_is_above_that_of_the_mean(profile):
    assert PROFILES[profile]["evaluation.max_bce"] < PROFILES[profile]["evaluation.max_bce_worst_label"]


def test_the_sample_profile_splits_the_5000_digits_without_a_rest():
    values = PROFILES["sample"]
    splits = ("train", "validation", "test")
    assert [values[f"data.{split}_split"] for split in splits] == ["train[:3572]", "train[3572:4286]", "train[4286:]"]
    assert [values[f"data.{split}_examples"] for split in splits] == [3572, 4286 - 3572, 5000 - 4286]


def test_the_threshold_of_mnist_is_between_a_good_and_a_collapsed_model():
    # 0.0943 is the loss that the reference reaches with the largest L1, 0.2625 that of the mean image.
    assert 0.0943 < PROFILES["mnist"]["evaluation.max_bce"] < 0.2625


NOT_RECORDED = {"paths.metadata", "retention.runs", "retention.pushed", "retention.max_mib"}


def test_manifests_record_neither_retention_nor_the_store():
    one, other = (PipelineConfig.build({"retention.runs": number}).recorded() for number in (1, 2))
    assert one == other
    assert set(NAMES) - set(one) == NOT_RECORDED


def test_values_returns_what_build_was_given():
    values = {"training.epochs": 7, "model.l1": 0.5, "training.jit_compile": False, "paths.root": "elsewhere"}
    flat = PipelineConfig.build(values).values()
    assert list(flat) == NAMES
    assert flat == {**PipelineConfig().values(), **values}


@pytest.mark.parametrize("declared", [*SETTINGS.values(), *SCHEDULING.values()], ids=lambda one: one.name)
def test_each_number_declares_its_smallest_and_largest_value(declared):
    if type(declared.default) in (int, float):
        assert (declared.low is None) != (declared.above is None)
        assert declared.high is not None
        assert math.isfinite(declared.high)


@pytest.mark.parametrize("name", limited("low"))
def test_the_low_limit_is_allowed_and_nothing_below_it(name):
    low = SETTINGS[name].low
    assert SETTINGS[name].check(low) == low
    with pytest.raises(ValueError, match=f"^{name} = "):
        SETTINGS[name].check(low - 1)


@pytest.mark.parametrize("name", limited("above"))
def test_the_exclusive_limit_is_refused(name):
    above = SETTINGS[name].above
    assert SETTINGS[name].check(above + 0.01) == above + 0.01
    with pytest.raises(ValueError, match=f"^{name} = "):
        SETTINGS[name].check(above)


@pytest.mark.parametrize("name", limited("high"))
def test_the_high_limit_is_allowed_and_nothing_above_it(name):
    high = SETTINGS[name].high
    assert SETTINGS[name].check(high) == high
    with pytest.raises(ValueError, match=f"^{name} = "):
        SETTINGS[name].check(high + 1)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("training.epochs", 0, "a whole number, at least 1, at most 100000"),
        ("training.epochs", 5.0, "a whole number, at least 1, at most 100000"),
        ("training.epochs", True, "a whole number, at least 1, at most 100000"),
        ("training.seed", 2**31, "a whole number, at least 0, at most 2147483647"),
        ("training.learning_rate", True, "a number, above 0, at most 1"),
        ("training.learning_rate", math.nan, "a number, above 0, at most 1"),
        ("training.jit_compile", 1, "true or false"),
        ("data.test_split", 3, "text"),
        ("data.source", "web", "one of auto, tfds, sample"),
        ("data.source", ["auto"], "one of auto, tfds, sample"),
    ],
)
def test_an_error_names_the_value_and_what_is_allowed(name, value, allowed):
    with pytest.raises(ValueError, match=name) as error:
        SETTINGS[name].check(value)
    assert str(error.value).startswith(f"{name} = {value!r} ")
    assert allowed in str(error.value)


def test_an_error_names_the_unit():
    with pytest.raises(ValueError, match=r"^training\.epochs = 0 .*\(epochs\)$"):
        SETTINGS["training.epochs"].check(0)


def test_the_report_lists_settings_that_affect_the_model():
    listed = {name for name in NAMES if SETTINGS[name].affects_results and SETTINGS[name].in_report}
    assert {name.partition(".")[0] for name in listed} == {"data", "model", "training", "evaluation"}
    without_effect = {name for name in NAMES if not SETTINGS[name].affects_results}
    assert {name for name in without_effect if name.startswith(("data.", "engine.", "serving."))} == {
        "data.source", "data.data_dir", "data.download_timeout", "engine.beam_workers", "engine.checkpoint_seconds",
        "engine.runner", "engine.flink_master", "engine.job_endpoint", "engine.worker_address", "engine.parallelism",
        "engine.beam_options",
    }  # fmt: skip


def test_a_whole_number_becomes_a_float_where_a_float_is_wanted():
    value = SETTINGS["model.l1"].check(1)
    assert (value, type(value)) == (1.0, float)
    assert type(pipeline_config.ModelConfig(l1=1).l1) is float


def test_a_whole_number_too_large_for_a_float_is_refused():
    with pytest.raises(ValueError, match=r"^training\.learning_rate = 1000"):
        SETTINGS["training.learning_rate"].check(10**400)


def test_a_gate_may_be_infinite_but_not_minus_infinite():
    assert SETTINGS["evaluation.max_bce"].check(math.inf) == math.inf
    with pytest.raises(ValueError, match=r"evaluation\.max_bce = -inf"):
        SETTINGS["evaluation.max_bce"].check(-math.inf)


def test_an_empty_root_is_refused():
    with pytest.raises(ValueError, match=r"paths\.root = ''"):
        SETTINGS["paths.root"].check("")


def test_a_section_checks_its_values_however_it_is_made():
    with pytest.raises(ValueError, match=r"training\.epochs = 0"):
        pipeline_config.TrainingConfig(epochs=0)
    with pytest.raises(ValueError, match=r"training\.epochs = 0"):
        dataclasses.replace(pipeline_config.TrainingConfig(), epochs=0)
    with pytest.raises(ValueError, match=r"training\.epochs = 0"):
        PipelineConfig.build({"training.epochs": 0})


def test_schedule_policies_are_checked_and_are_not_settings_of_a_run() -> None:
    scheduling = pipeline_config.SchedulePolicies(max_late=5)
    assert (scheduling.overlap, scheduling.max_late) == ("skip", 5.0)
    with pytest.raises(ValueError, match=r"^schedule\.overlap = 'run' .*skip, queue"):
        pipeline_config.SchedulePolicies(overlap="run")
    assert not [name for name in PipelineConfig.settings() if name.startswith("schedule")]


@pytest.mark.parametrize("name", SCHEDULING)
def test_every_schedule_policy_has_a_meaning_that_fits_a_line(name):
    assert 10 < len(SCHEDULING[name].meaning) < 120


@pytest.mark.parametrize("limit", ["low", "above", "high"])
def test_schedule_policies_have_limits(limit):
    past = {"low": -1, "above": 0, "high": 1}[limit]
    limits = {name: getattr(one, limit) for name, one in SCHEDULING.items() if getattr(one, limit) is not None}
    assert limits
    for name, value in limits.items():
        with pytest.raises(ValueError, match=rf"^schedule\.{name} = "):
            pipeline_config.SchedulePolicies(**{name: value + past})


# --- sparsity ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "widths"),
    [
        (256, "256", (256,)),
        ("512, 256", "512,256", (512, 256)),
        ([512, 256], "512,256", (512, 256)),
        ("", "", ()),
        ([], "", ()),
    ],
)
def test_widths_of_hidden_layers_are_numbers_or_lists(value: object, text: str, widths: tuple[int, ...]) -> None:
    model = pipeline_config.ModelConfig(hidden_layers=value)  # type: ignore[arg-type]
    assert (model.hidden_layers, model.widths) == (text, widths)


@pytest.mark.parametrize(
    "value", ["0", "256,", "256,0", "-1", "1000000", "a", [2.5], [True], True, 0, ",".join("9" * 11)]
)
def test_other_widths_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"^model\.hidden_layers = "):
        pipeline_config.ModelConfig(hidden_layers=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"sparsity": "topk", "active_units": 7.5}, "model.active_units = 7.5"),
        ({"sparsity": "jumprelu", "active_units": 33.0}, "model.active_units = 33"),
        ({"output_bias": "mean_image"}, "model.output_bias = 'mean_image'"),
        ({"sparsity": "dropout"}, "model.sparsity = 'dropout'"),
    ],
)
def test_values_that_do_not_fit_together_are_refused(values: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named.replace(".", r"\.")):
        pipeline_config.ModelConfig(**values)  # type: ignore[arg-type]


def test_mean_image_as_first_output_needs_no_penalty_by_l1() -> None:
    assert pipeline_config.ModelConfig(output_bias="mean_image", l1=0.0).output_bias == "mean_image"
    assert pipeline_config.ModelConfig(output_bias="mean_image", sparsity="jumprelu").l1 == 1e-3


def test_a_setting_has_an_effect_only_with_the_method_that_it_belongs_to() -> None:
    l1, topk = PipelineConfig(), PipelineConfig.build({"model.sparsity": "topk"})
    assert (l1.has_effect("model.l1"), topk.has_effect("model.l1")) == (True, False)
    assert (l1.has_effect("model.active_units"), topk.has_effect("model.active_units")) == (False, True)
    assert "model.l1" not in topk.affecting_results()
    assert "model.bandwidth" not in topk.affecting_results()
    assert topk.affecting_results()["model.active_units"] == 8.0


def test_settings_of_earlier_versions_are_read_by_the_names_of_this_one() -> None:
    assert PipelineConfig.earlier_names() == {"model.hidden_units": "model.hidden_layers"}
    recorded = {"model.hidden_units": 128, "model.l1": 0.5, "gone.setting": 1}
    assert PipelineConfig.renamed(recorded) == {"model.hidden_layers": "128", "model.l1": 0.5, "gone.setting": 1}
    assert PipelineConfig.renamed({"model.hidden_units": "damaged"}) == {"model.hidden_layers": "damaged"}


# --- a pipeline with settings of its own ---------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class TableConfig(Section):
    """Settings of another pipeline."""

    section = "table"
    profile_needs = "table.file"

    file: str = setting("taxi.csv", "file with the rows")
    rows: int = setting(10, "rows to read", unit="rows", low=1)


@dataclasses.dataclass(frozen=True)
class OtherConfig(Configuration):
    """The configuration of another pipeline."""

    profiles = {"small": {"table.rows": 5, "table.file": "small.csv"}, "empty": {}}

    table: TableConfig = dataclasses.field(default_factory=TableConfig)


def test_another_pipeline_has_its_own_sections_and_those_that_all_have():
    assert list(OtherConfig.sections()) == ["table", "engine", "paths", "retention"]
    config = OtherConfig.build({"table.rows": 7, "engine.beam_workers": 2})
    assert (config.table.rows, config.table.file, config.engine.beam_workers) == (7, "taxi.csv", 2)
    assert list(config.values()) == list(OtherConfig.settings())
    assert set(config.values()) - set(config.recorded()) == NOT_RECORDED
    with pytest.raises(ValueError, match=r"table\.rows = 0 .*1 \(rows\)"):
        OtherConfig.build({"table.rows": 0})


def test_the_loss_follows_from_the_scaling_unless_it_is_given():
    def loss(**values):
        return PipelineConfig.build({name.replace("_", ".", 1): value for name, value in values.items()}).loss

    assert (loss(), loss(data_scaling="range"), loss(data_scaling="standard")) == ("bce", "bce", "mse")
    assert loss(model_loss="mse") == "mse"
    with pytest.raises(ValueError, match=r"^model\.loss = 'bce' is not allowed with data\.scaling = 'standard'"):
        loss(model_loss="bce", data_scaling="standard")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:SECRET@h/d",
        "postgresql://u@h/d@SECRET@",
        "mysql://u:SECRET@h/d",
        "postgresql://u:SEC/RET@SECRET@h",
    ],
)
def test_the_url_of_a_store_has_no_password_and_none_is_repeated(url):
    with pytest.raises(ValueError, match=r"paths\.metadata = .*without a password.*PGPASSWORD") as error:
        PipelineConfig.build({"paths.metadata": url})
    assert "SEC" not in str(error.value)


def test_the_url_of_a_store_names_a_host_or_a_socket():
    for url in (
        "",
        "postgresql://u@h:5432/d",
        "postgresql://u@/d?host=/run/postgresql",
        "postgresql://u@h/d?sslmode=require",
    ):
        assert PipelineConfig.build({"paths.metadata": url}).paths.metadata == url


def test_a_size_is_a_height_and_a_width():
    assert PipelineConfig.build({"data.size": "64x48"}).data.height_and_width == (64, 48)
    assert PipelineConfig().data.height_and_width is None
    for wrong in ("64", "64x", "0x3", "64X48", "-1x3", "10000x1"):
        with pytest.raises(ValueError, match="HEIGHTxWIDTH"):
            PipelineConfig.build({"data.size": wrong})


def test_words_that_cannot_be_split_are_shown() -> None:
    with pytest.raises(ValueError, match="--name 'open"):
        PipelineConfig.build({"engine.beam_options": "--name 'open"})
