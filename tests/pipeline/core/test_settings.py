"""Sources of settings: profile, environment, file, --set and the other options."""

from __future__ import annotations

import math

import pytest

from pipeline.core.errors import UsageError
from pipeline.core.settings import Request, applied_profile, resolve
from pipeline.core.text import closest
from pipeline_config import Configuration, PipelineConfig
from tests.test_pipeline_config import OtherConfig


@pytest.fixture
def config_file(tmp_path):
    def write(text):
        path = tmp_path / "settings.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def resolved(name, environ=None, **request):
    """The value and the origin of one setting."""
    settings = resolve(Request(**request), environ or {})
    section, _, key = name.partition(".")
    return getattr(getattr(settings.config, section), key), settings.origins[name]


def message(**request):
    with pytest.raises(UsageError) as error:
        resolve(Request(**request), {})
    return str(error.value)


def test_without_options_it_is_the_mnist_profile():
    settings = resolve(Request(), {})
    assert settings.profile == "mnist"
    assert settings.config.data.train_split == "train[:50000]"
    assert settings.origins["data.train_split"] == "profile mnist"
    assert settings.config.training.epochs == 50
    assert settings.origins["training.epochs"] == "default"


def test_every_setting_has_an_origin():
    assert list(resolve(Request(), {}).origins) == list(PipelineConfig.settings())


def test_a_profile_is_found_by_its_name():
    assert resolved("data.test_examples", profile="sample") == (714, "profile sample")


def test_each_source_overrides_the_earlier_ones(config_file):
    path = config_file('[paths]\nroot = "of-file"\n[training]\nseed = 2\n')
    environ = {"SAE_ROOT": "of-environment"}
    given = {}
    assert resolved("paths.root", **given) == ("pipeline_root", "default")
    assert resolved("paths.root", environ, **given) == ("of-environment", "SAE_ROOT")
    given["config_file"] = path
    assert resolved("paths.root", environ, **given) == ("of-file", f"file {path}")
    assert resolved("training.seed", environ, **given) == (2, f"file {path}")
    given["assignments"] = ("paths.root=of-set", "training.seed=3")
    assert resolved("paths.root", environ, **given) == ("of-set", "--set")
    assert resolved("training.seed", environ, **given) == (3, "--set")
    given |= {"root": "of-option", "seed": 4}
    assert resolved("paths.root", environ, **given) == ("of-option", "--root")
    assert resolved("training.seed", environ, **given) == (4, "--seed")


def test_a_file_overrides_the_profile(config_file):
    path = config_file("[evaluation]\nmax_bce = 0.5\n")
    assert resolved("evaluation.max_bce", config_file=path) == (0.5, f"file {path}")


def test_an_empty_environment_variable_is_ignored():
    assert resolved("paths.root", {"SAE_ROOT": ""}) == ("pipeline_root", "default")


def test_the_last_assignment_wins():
    assert resolved("training.epochs", assignments=["training.epochs=3", "training.epochs=4"]) == (4, "--set")


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("training.jit_compile=false", False),
        ("training.jit_compile=TRUE", True),
        ("training.batch_size= 64 ", 64),
        (" training.epochs =3", 3),
        ("model.l1=1e-4", 0.0001),
        ("model.l1=0", 0.0),
        ("evaluation.max_bce=inf", float("inf")),
        ("data.train_split=train[:10]", "train[:10]"),
        ("data.data_dir=/a=b", "/a=b"),
        ("data.schema=", ""),
        ("data.schema = emnist ", "emnist"),
    ],
)
def test_an_assignment_is_converted_to_the_type_of_its_setting(assignment, value):
    found, _ = resolved(assignment.partition("=")[0].strip(), assignments=[assignment])
    assert (found, type(found)) == (value, type(value))


def test_an_earlier_name_of_a_setting_still_sets_it(config_file):
    assert resolved("model.hidden_layers", assignments=["model.hidden_units=64"]) == ("64", "--set")
    path = config_file("[model]\nhidden_units = 64\n")
    assert resolved("model.hidden_layers", config_file=path) == ("64", f"file {path}")
    path = config_file("[model]\nhidden_layers = [64, 32]\n")
    assert resolved("model.hidden_layers", config_file=path) == ("64,32", f"file {path}")


@pytest.mark.parametrize("keys", [("hidden_units", "hidden_layers"), ("hidden_layers", "hidden_units")])
def test_a_file_with_both_names_of_a_setting_is_refused(config_file, keys):
    path = config_file("[model]\n" + "".join(f"{key} = {number}\n" for number, key in enumerate(keys, start=1)))
    with pytest.raises(UsageError, match=r"model\.hidden_units.*leave"):
        resolved("model.hidden_layers", config_file=path)


def test_a_setting_that_has_no_effect_with_the_others_is_refused():
    with pytest.raises(UsageError, match=r"model\.l1 \(--set\) has no effect with model\.sparsity = topk"):
        resolved("model.l1", assignments=["model.sparsity=topk", "model.l1=0.1"])
    with pytest.raises(UsageError, match=r"model\.active_units"):
        resolved("model.l1", assignments=["model.active_units=4"])
    assert resolved("model.active_units", assignments=["model.active_units=4", "model.sparsity=topk"])[0] == 4.0


def test_a_whole_number_in_a_file_is_accepted_as_a_float(config_file):
    value, _ = resolved("model.l1", config_file=config_file("[model]\nl1 = 1\n"))
    assert (value, type(value)) == (1.0, float)


def test_a_file_may_be_empty(config_file):
    assert resolved("training.epochs", config_file=config_file("")) == (50, "default")


@pytest.mark.parametrize(
    "text",
    [
        "engine.parallelism=\u0663",
        "training.learning_rate=\uff11e-3",
        "training.epochs=1\u0660",
        "model.hidden_layers=1\u0660",
    ],
)
def test_digits_of_other_scripts_are_refused(text):
    with pytest.raises(UsageError, match=r"is not allowed: it must be .*number"):
        resolve(Request(assignments=[text]))


def test_text_in_a_file_is_not_converted_to_a_number(config_file):
    assert message(config_file=config_file('[training]\nepochs = "3"\n')).startswith("training.epochs = '3' is not")


def test_a_huge_whole_number_in_a_file_is_a_usage_error(config_file):
    text = f"[training]\nlearning_rate = 1{'0' * 400}\n"
    assert message(config_file=config_file(text)).startswith("training.learning_rate = 1000")


def test_another_data_set_than_the_profiles_gets_other_splits_and_gates():
    settings = resolve(Request(assignments=["data.dataset=kmnist", "data.test_split=test[:5]"]), {})
    assert settings.config.data.schema == ""
    assert settings.config.data.train_examples == 0
    assert settings.config.data.train_split == ""
    assert settings.config.data.test_split == "test[:5]"
    assert settings.config.evaluation.max_bce == float("inf")
    assert settings.origins["data.schema"] == "default"
    assert settings.origins["data.dataset"] == "--set"


def test_naming_the_profiles_own_data_set_changes_nothing():
    settings = resolve(Request(assignments=["data.dataset=mnist"]), {})
    assert settings.config == resolve(Request(), {}).config


@pytest.mark.parametrize(
    ("given", "suggested"),
    [
        ("training.epoch", "training.epochs"),
        ("trainig.epochs", "training.epochs"),
        ("epochs", "training.epochs"),
        ("epoch", "training.epochs"),
        ("l1", "model.l1"),
        ("learning-rate", "training.learning_rate"),
        ("paths.roots", "paths.root"),
        # The right key in the wrong section.
        ("model.epochs", "training.epochs"),
        ("training.l1", "model.l1"),
        ("training.hidden_layers", "model.hidden_layers"),
        ("data.seed", "training.seed"),
        ("EPOCHS", "training.epochs"),
    ],
)
def test_an_unknown_setting_suggests_the_closest_one(given, suggested):
    assert f"no setting '{given}' (--set); did you mean {suggested}?" in message(assignments=[f"{given}=1"])


def test_an_unknown_setting_that_resembles_none_gets_no_suggestion():
    text = message(assignments=["zzz.qqq=1"])
    assert "did you mean" not in text
    assert "`sae config show`" in text


def test_a_key_outside_any_section_suggests_its_section(config_file):
    # `epochs = 3` where `[training]` is missing above it.
    assert "training.epochs" in message(config_file=config_file("epochs = 3\n"))


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("Trainr", "; did you mean Trainer?"),
        ("trainer", "; did you mean Trainer?"),
        ("TRAINR", "; did you mean Trainer?"),
        ("xyz", ""),
    ],
)
def test_closest_suggests_a_similar_word(word, hint):
    assert closest(word, ["Transform", "Trainer", "Evaluator"]) == hint


# --- like an earlier run -----------------------------------------------------------------------


def earlier(*assignments, **request):
    """Every setting of an earlier run."""
    return resolve(Request(assignments=assignments, **request), {}).config.values()


@pytest.mark.parametrize(("recorded", "used"), [("sample", "sample"), ("of_another_version", "mnist"), ("", "mnist")])
def test_the_profile_of_an_earlier_run_is_one_that_can_be_given(recorded, used):
    assert resolve(Request(recorded), {}, earlier()).profile == used


def test_the_settings_of_an_earlier_run_replace_profile_and_defaults():
    like = earlier("training.epochs=3", profile="sample", root="/earlier")
    settings = resolve(Request(), {}, like)
    assert settings.config.values() == like
    assert set(settings.origins.values()) == {"an earlier run"}


def test_given_settings_override_those_of_an_earlier_run(config_file):
    like = earlier("training.epochs=3", "training.seed=4", root="/earlier")
    path = config_file("[training]\nepochs = 5\n")
    settings = resolve(Request(config_file=path, seed=6, root="/now"), {"SAE_ROOT": "/environment"}, like)
    assert (settings.config.training.epochs, settings.config.training.seed) == (5, 6)
    assert settings.config.paths.root == "/now"
    assert settings.origins["training.epochs"] == f"file {path}"
    assert settings.origins["training.seed"] == "--seed"
    assert settings.origins["training.batch_size"] == "an earlier run"
    assert resolve(Request(), {"SAE_ROOT": "/environment"}, like).config.paths.root == "/environment"


def test_another_data_set_than_an_earlier_runs_gets_other_splits_and_gates():
    like = earlier("data.train_split=train[:7]", "training.epochs=3")
    settings = resolve(Request(assignments=["data.dataset=kmnist"]), {}, like)
    assert settings.config.data.train_split == ""
    assert settings.config.evaluation.max_bce == float("inf")
    assert settings.config.training.epochs == 3


def test_the_settings_of_an_earlier_run_are_not_changed():
    like = earlier()
    before = dict(like)
    resolve(Request(assignments=["training.epochs=9"]), {}, like)
    assert like == before


NUMBERS = {
    name: one for name, one in PipelineConfig.settings().items() if type(one.default) in (int, float)
}  # fmt: skip
OUT_OF_RANGE = ["nan", "-nan", "-inf", "1e400", "-1e400", "-1e308", "1e308", "-1", "9" * 400]


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_infinite_or_out_of_range_is_refused_from_every_source(name, config_file):
    section, _, key = name.partition(".")
    for value in OUT_OF_RANGE if NUMBERS[name].may_be_infinite else [*OUT_OF_RANGE, "inf"]:
        for given in (
            {"assignments": [f"{name}={value}"]},
            {"config_file": config_file(f"[{section}]\n{key} = {value}\n")},
        ):
            assert message(**given).startswith(f"{name} = "), value
            assert NUMBERS[name].allowed in message(**given)


@pytest.mark.parametrize("name", [name for name, one in NUMBERS.items() if one.may_be_infinite])
def test_a_setting_that_may_be_infinite_says_so_and_takes_inf_from_every_source(name, config_file):
    section, _, key = name.partition(".")
    assert "inf" in NUMBERS[name].allowed
    assert resolved(name, assignments=[f"{name}=inf"])[0] == math.inf
    assert resolved(name, config_file=config_file(f"[{section}]\n{key} = inf\n"))[0] == math.inf


# --- another pipeline --------------------------------------------------------------------------


def other(**given):
    return resolve(Request(config_type=OtherConfig, **given), {})


def test_settings_of_another_pipeline_are_resolved_too(config_file):
    found = other(assignments=["table.rows=7"], root="here")
    assert (found.profile, found.config.table.file, found.config.table.rows) == ("small", "small.csv", 7)
    assert found.config.paths.root == "here"
    assert found.origins["table.file"] == "profile small"
    assert other(config_file=config_file("[table]\nrows = 3\n")).config.table.rows == 3
    # The profile's values are for its own file.
    assert other(assignments=["table.file=large.csv"]).config.table.rows == 10


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"assignments": ["table.row=7"]}, "table.rows"),
        ({"assignments": ["training.epochs=7"]}, "training.epochs"),
        ({"profile": "mnist"}, "small, empty"),
        ({"seed": 1}, "--seed"),
    ],
)
def test_errors_name_the_settings_of_another_pipeline(given, said):
    with pytest.raises(UsageError, match=said):
        other(**given)


@pytest.mark.parametrize("seed", [10**400, -(10**400)])
def test_a_number_that_is_larger_than_any_float_is_refused(seed):
    assert message(seed=seed).startswith("training.seed = ")


def test_a_text_that_no_path_can_contain_is_refused(config_file):
    assert message(config_file=config_file('[paths]\nroot = "a\\u0000b"\n')).startswith("paths.root = ")


def test_a_file_that_is_nested_too_deeply_is_refused(config_file):
    assert "not valid TOML" in message(config_file=config_file("x = " + "[" * 5_000))


@pytest.mark.parametrize(
    ("profile", "dataset", "applied"),
    [("mnist", "mnist", "mnist"), ("mnist", "signals", ""), ("sample", "mnist", ""), ("fashion_mnist",) * 3],
)
def test_a_profile_applies_to_its_own_data(profile: str, dataset: str, applied: str) -> None:
    values = resolve(Request(profile, assignments=[f"data.dataset={dataset}"])).config.values()
    assert applied_profile(profile, values, PipelineConfig) == applied


def test_a_pipeline_without_profiles_has_none() -> None:
    assert applied_profile("", Configuration().values(), Configuration) == ""
