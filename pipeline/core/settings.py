"""Build a configuration from a profile, a file and options, with the origin of each value."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.errors import UsageError
from pipeline.core.local_path import local_path
from pipeline.core.text import closest
from pipeline_config import Configuration, PipelineConfig, Setting, Value

ROOT_VARIABLE = "SAE_ROOT"
EARLIER_RUN = "an earlier run"  # the origin of settings of a run that is repeated


@dataclasses.dataclass(frozen=True)
class Request:
    """The settings that the user gave.

    Attributes:
      profile: name of a profile; empty: the first one of the configuration.
      config_file: a TOML file with tables like `[training]`, or None.
      assignments: texts like `training.epochs=5`.
      seed, root: of `--seed` and `--root`; None where not given.
      config_type: the configuration of the pipeline.
    """

    profile: str = ""
    config_file: pathlib.Path | None = None
    assignments: Sequence[str] = ()
    seed: int | None = None
    root: str | None = None
    config_type: type[Configuration] = PipelineConfig

    @property
    def is_empty(self) -> bool:
        """Return whether the user gave none, but perhaps a root."""
        return not (self.profile or self.config_file or self.assignments or self.seed is not None)


@dataclasses.dataclass(frozen=True)
class Settings:
    """A configuration and where each of its values came from.

    Attributes:
      config: every setting; of the type that was requested.
      origins: by dotted name: `default`, `profile mnist`, `file FILE`, `--set`, `--seed`, `--root` or `SAE_ROOT`.
      profile: the profile that was used.
    """

    config: Any
    origins: dict[str, str]
    profile: str


def resolve(
    request: Request, environ: Mapping[str, str] = os.environ, like: Mapping[str, Value] | None = None
) -> Settings:
    """Return the configuration that `request` describes.

    Args:
      request: what the user gave.
      environ: the environment.
      like: every setting of an earlier run, used in place of the profile, whose name need not be known.

    Raises:
      UsageError: an unknown profile or setting (with the closest one), a wrong type, or a value out of range.
    """
    config_type = request.config_type
    default = next(iter(config_type.profiles), "")
    name = request.profile or default
    profile = _profile(name, config_type) if like is None else like
    if name not in config_type.profiles:  # of an earlier run, which another version recorded
        name = default
    given: dict[str, tuple[object, str]] = {}
    if root := environ.get(ROOT_VARIABLE):
        given[of_option("--root", config_type)] = (root, ROOT_VARIABLE)
    if request.config_file is not None:
        given.update(_read_file(request.config_file, config_type))
    for assignment in request.assignments:
        setting, parsed = _parse_assignment(assignment, config_type)
        given[setting] = (parsed, "--set")
    for option, value in (("--seed", request.seed), ("--root", request.root)):
        if value is not None:
            given[of_option(option, config_type)] = (value, option)

    # A data set other than the profile's has other splits, another schema and other gates.
    unfit = {
        section
        for section, cls in config_type.sections().items()
        if (needed := cls.profile_needs) in given and given[needed][0] != profile.get(needed)
    }
    origin = f"profile {name}" if like is None else EARLIER_RUN
    layer: dict[str, tuple[object, str]] = {
        setting: (value, origin) for setting, value in profile.items() if setting.partition(".")[0] not in unfit
    }
    layer.update(given)
    values = {setting: _checked(setting, raw, origin, config_type) for setting, (raw, origin) in layer.items()}
    origins = {setting: layer[setting][1] if setting in layer else "default" for setting in config_type.settings()}
    config = _build(values, config_type)
    for setting in given:
        if not config.has_effect(setting):
            needed, allowed = config.settings()[setting].only_if
            raise UsageError(
                f"{setting} ({origins[setting]}) has no effect with {needed} = {config.values()[needed]}: leave it "
                f"out, or set {needed} to {' or '.join(allowed)}"
            )
    return Settings(config, origins, name)


def applied_profile(name: str, values: Mapping[str, Value], config_type: type[Configuration]) -> str:
    """Return the name of a profile; empty if none of its settings applies, such as where other data was chosen.

    Args:
      name: of the profile.
      values: every setting of the run.
      config_type: the configuration of the pipeline.
    """
    return name if applied_settings(name, values, config_type) or not config_type.profiles.get(name) else ""


def applied_settings(name: str, values: Mapping[str, Value], config_type: type[Configuration]) -> dict[str, Value]:
    """Return the settings of a profile that apply with these values: another data set has other splits and gates.

    Args:
      name: of the profile; of an unknown one, none apply.
      values: the settings of the run.
      config_type: the configuration of the pipeline.
    """
    profile, sections = config_type.profiles.get(name, {}), config_type.sections()

    def applies(setting: str) -> bool:
        needed = sections[setting.partition(".")[0]].profile_needs
        return needed not in profile or values.get(needed, profile[needed]) == profile[needed]

    return {setting: value for setting, value in profile.items() if applies(setting)}


def of_values(values: Mapping[str, Value], config_type: type[Configuration] = PipelineConfig) -> Any:
    """Return the configuration that an earlier run used. Raises `UsageError` where this version does not allow it."""
    return _build(
        {name: _checked(name, value, EARLIER_RUN, config_type) for name, value in values.items()}, config_type
    )


def text_of(value: object) -> str:
    """Return a value, or a list of some, as `--set` takes it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def assignments(resolved: Settings) -> tuple[str, ...]:
    """Return the values of `--set` that give these settings with the profile; also for a resumed run or a rerun."""
    config_type, values = type(resolved.config), resolved.config.values()
    declared, profile = config_type.settings(), config_type.profiles.get(resolved.profile, {})
    needed = {one.profile_needs for one in config_type.sections().values()}  # compared with the profile in any case
    applied = applied_settings(resolved.profile, values, config_type)
    base = config_type.build({name: profile[name] for name in profile if name in applied or name in needed}).values()
    return tuple(
        f"{name}={text_of(value)}"
        for name, value in values.items()
        if value != base[name] and declared[name].option != "--root"
    )


def declaration(name: str, option: str, config_type: type[Configuration]) -> Setting:
    """Return the declaration of a setting that an option names. Raises `UsageError` with the closest name."""
    return config_type.settings()[_known(name, option, config_type)]


def value(setting: Setting, text: str, option: str) -> Value:
    """Return the value of a setting that a text of an option stands for. Raises `UsageError` if it is not allowed."""
    return _check(setting, _from_text(text, type(setting.default)), option)


def _build(values: Mapping[str, Value], config_type: type[Configuration]) -> Any:
    try:
        return config_type.build(values)
    except ValueError as error:  # values that do not fit together
        raise UsageError(str(error)) from error


def _suggestion(name: str, config_type: type[Configuration]) -> str:
    """Return `; did you mean training.epochs?` for `training.epoch`, `model.epochs` or `epochs`, or an empty text."""
    import difflib  # 2 ms, which only an error needs

    names = list(config_type.settings())
    word = name.lower()
    # Prefer the right key in the wrong section, or in none, to a similar name.
    near = [known for known in names if known.partition(".")[2] == word.rpartition(".")[2]]
    near = difflib.get_close_matches(word, near, n=1, cutoff=0) or difflib.get_close_matches(word, names, n=1)
    if not near:
        keys = {known.partition(".")[2]: known for known in names}
        near = [keys[key] for key in difflib.get_close_matches(word.rpartition(".")[2], list(keys), n=1)]
    return f"; did you mean {near[0]}?" if near else ""


def _profile(name: str, config_type: type[Configuration]) -> Mapping[str, Value]:
    profiles = config_type.profiles
    if name and name not in profiles:
        raise UsageError(f"no profile {name!r}{closest(name, list(profiles))} (there are: {', '.join(profiles)})")
    return profiles.get(name, {})


def of_option(option: str, config_type: type[Configuration]) -> str:
    """Return the name of the setting that an option such as `--seed` sets. Raises `UsageError` if there is none."""
    if name := find_option(option, config_type):
        return name
    raise UsageError(f"this pipeline has no setting for {option}: leave it out")


def find_option(option: str, config_type: type[Configuration]) -> str:
    """Return the name of the setting that an option such as `--seed` sets; empty if there is none."""
    return next((name for name, setting in config_type.settings().items() if setting.option == option), "")


def _known(name: str, origin: str, config_type: type[Configuration]) -> str:
    name = config_type.earlier_names().get(name, name)
    if name in config_type.settings():
        return name
    raise UsageError(f"no setting {name!r} ({origin}){_suggestion(name, config_type)}; `sae config show` lists all")


def _checked(name: str, raw: object, origin: str, config_type: type[Configuration]) -> Value:
    setting = declaration(name, origin, config_type)
    value = _check(setting, raw, origin)
    if not (setting.is_folder and isinstance(value, str)):
        return value
    try:
        return local_path(value)
    except ValueError as error:
        raise UsageError(f"{name} = {value!r} is not allowed: {error} ({origin})") from error


def _check(setting: Setting, raw: object, origin: str) -> Value:
    try:
        return setting.check(raw)
    except ValueError as error:
        raise UsageError(f"{error} ({origin})") from error


def _parse_assignment(text: str, config_type: type[Configuration]) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"--set {text!r} has no value: write --set NAME=VALUE, as in --set training.epochs=5")
    name = _known(name.strip(), "--set", config_type)
    return name, _from_text(value.strip(), type(config_type.settings()[name].default))


def _from_text(text: str, kind: type) -> object:
    """Return the value that the text stands for, or the text itself if it stands for none: `check` then refuses it."""
    if not text.isascii():  # Python reads the digits of every script
        return text
    try:
        if kind is bool:
            return {"true": True, "false": False}.get(text.lower(), text)
        return _float(text) if kind is float else kind(text)
    except ValueError:
        return text


def _float(text: str) -> float | str:
    """Return the number, or the text itself if it is a finite number that is too large, such as `1e400`."""
    value = float(text)
    return text if math.isinf(value) and "inf" not in text.lower() else value


def _read_file(path: pathlib.Path, config_type: type[Configuration]) -> dict[str, tuple[object, str]]:
    from pipeline.core import toml

    origin = f"file {path}"
    tables = toml.read(path, "--config", parse_float=_float)
    values: dict[str, tuple[object, str]] = {}
    sections = list(config_type.sections())
    for section, table in tables.items():
        if section not in sections and not isinstance(table, dict):
            raise UsageError(
                f"{section!r} is in no section ({origin}){_suggestion(section, config_type)}; "
                "write it below its table, such as [training]"
            )
        if section not in sections or not isinstance(table, dict):
            raise UsageError(
                f"no section {section!r} ({origin}){closest(section, sections)} (there are: {', '.join(sections)}, "
                "each a table such as [training])"
            )
        for key, value in table.items():
            name = _known(f"{section}.{key}", origin, config_type)
            if name in values:  # TOML refuses a key that is given twice
                earlier = f"{section}.{config_type.settings()[name].earlier}"
                raise UsageError(f"{earlier} is the earlier name of {name}; both are given ({origin}): leave it out")
            values[name] = (value, origin)
    return values
