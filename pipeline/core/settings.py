"""Puts a configuration together: profile, then file, then --set and the other options; each value knows its origin."""

from __future__ import annotations

import dataclasses
import difflib
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pipeline_config
from pipeline.core.errors import UsageError
from pipeline.core.text import closest
from pipeline.core.tfx_versions import tomllib
from pipeline_config import PROFILES, PipelineConfig, Value

DEFAULT_PROFILE = "mnist"
ROOT_VARIABLE = "SAE_ROOT"


@dataclasses.dataclass(frozen=True)
class Request:
    """What the user asked for, before it is put together.

    Attributes:
      profile: name of a profile.
      config_file: a TOML file with tables like `[training]`, or None.
      assignments: texts like `training.epochs=5`.
      seed, root: of `--seed` and `--root`; None where not given.
    """

    profile: str = DEFAULT_PROFILE
    config_file: pathlib.Path | None = None
    assignments: Sequence[str] = ()
    seed: int | None = None
    root: str | None = None


@dataclasses.dataclass(frozen=True)
class Settings:
    """A configuration and where each of its values came from.

    Attributes:
      config: every setting.
      origins: by dotted name: `default`, `profile mnist`, `file FILE`, `--set`, `--seed`, `--root` or `SAE_ROOT`.
      profile: the profile that was used.
      has_profile: False when the data set is not the profile's: then the profile's schema, splits and gates are not
        used.
    """

    config: PipelineConfig
    origins: dict[str, str]
    profile: str
    has_profile: bool


def resolve(
    request: Request, environ: Mapping[str, str] = os.environ, like: Mapping[str, Value] | None = None
) -> Settings:
    """The configuration that `request` describes.

    Args:
      request: what the user asked for.
      environ: the environment.
      like: every setting of an earlier run, which then stand in for the profile's.

    Raises:
      UsageError: an unknown profile or key (with the closest one), a wrong type, or a value out of range.
    """
    profile = _profile(request.profile) if like is None else dict(like)
    given: dict[str, tuple[object, str]] = {}
    if root := environ.get(ROOT_VARIABLE):
        given["paths.root"] = (root, ROOT_VARIABLE)
    if request.config_file is not None:
        given.update(_read_file(request.config_file))
    for assignment in request.assignments:
        name, value = _parse_assignment(assignment)
        given[name] = (value, "--set")
    if request.seed is not None:
        given["training.seed"] = (request.seed, "--seed")
    if request.root is not None:
        given["paths.root"] = (request.root, "--root")

    # A data set other than the profile's has other splits, another schema and other gates.
    dataset = given.get("data.dataset", (profile.get("data.dataset"), ""))[0]
    has_profile = dataset == profile.get("data.dataset")
    layer = {
        name: value
        for name, value in profile.items()
        if has_profile or name.partition(".")[0] not in ("data", "evaluation")
    }
    values: dict[str, Value] = dict(layer)
    origins = dict.fromkeys(pipeline_config.setting_names(), "default")
    origins.update(dict.fromkeys(layer, f"profile {request.profile}" if like is None else "an earlier run"))
    for name, (raw, origin) in given.items():
        values[name] = _checked(name, raw, origin)
        origins[name] = origin
    return Settings(pipeline_config.build(values), origins, request.profile, has_profile)


def of_values(values: Mapping[str, Value]) -> PipelineConfig:
    """The configuration that an earlier run used. Raises `UsageError` where this version does not allow it."""
    return pipeline_config.build({name: _checked(name, value, "an earlier run") for name, value in values.items()})


def _profile(name: str) -> dict[str, Value]:
    if name not in PROFILES:
        raise UsageError(f"no profile {name!r}{closest(name, list(PROFILES))} (there are: {', '.join(PROFILES)})")
    return PROFILES[name]


def _known(name: str, origin: str) -> str:
    names = pipeline_config.setting_names()
    if name in names:
        return name
    raise UsageError(f"no setting {name!r} ({origin}){closest_setting(name)}; `sae config show` lists them all")


def closest_setting(name: str) -> str:
    """`; did you mean training.epochs?` for `training.epoch`, `model.epochs` or `epochs`, or nothing."""
    names = pipeline_config.setting_names()
    word = name.lower()
    # The right key in the wrong section, or in none, goes before a name that merely looks alike.
    near = [known for known in names if known.partition(".")[2] == word.rpartition(".")[2]]
    near = difflib.get_close_matches(word, near, n=1, cutoff=0) or difflib.get_close_matches(word, names, n=1)
    if not near:
        keys = {known.partition(".")[2]: known for known in names}
        near = [keys[key] for key in difflib.get_close_matches(word.rpartition(".")[2], list(keys), n=1)]
    return f"; did you mean {near[0]}?" if near else ""


def _checked(name: str, raw: object, origin: str) -> Value:
    try:
        return pipeline_config.check(name, raw)
    except ValueError as error:
        raise UsageError(f"{error} ({origin})") from error


def _parse_assignment(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"--set {text!r} has no value: write --set NAME=VALUE, as in --set training.epochs=5")
    name = _known(name.strip(), "--set")
    kind = str(pipeline_config.setting_field(name).type)
    return name, _from_text(value.strip(), kind)


def _from_text(text: str, kind: str) -> object:
    """The value that `text` stands for, or the text itself where it stands for none; the check names that."""
    try:
        if kind == "bool":
            return {"true": True, "false": False}.get(text.lower(), text)
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        pass
    return text


def _read_file(path: pathlib.Path) -> dict[str, tuple[object, str]]:
    origin = f"file {path}"
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(f"cannot read --config {path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--config {path} is not valid TOML: {error}") from error
    values: dict[str, tuple[object, str]] = {}
    for section, table in tables.items():
        if section not in pipeline_config.SECTIONS and not isinstance(table, dict):
            raise UsageError(
                f"{section!r} stands in no section ({origin}){closest_setting(section)}; write it below its table, "
                "such as [training]"
            )
        if section not in pipeline_config.SECTIONS or not isinstance(table, dict):
            known = list(pipeline_config.SECTIONS)
            raise UsageError(
                f"no section {section!r} ({origin}){closest(section, known)} (there are: {', '.join(known)}, "
                "each a table such as [training])"
            )
        for key, value in table.items():
            values[_known(f"{section}.{key}", origin)] = (value, origin)
    return values
