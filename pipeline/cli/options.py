"""Options and arguments that several commands have, and the requests made from them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import completion
from pipeline.cli.selected import record, set_selected
from pipeline.core import settings
from pipeline.core.errors import SaeError, UsageError
from pipeline.core.local_path import local_path
from pipeline.core.pipeline_root import Root
from pipeline_config import Configuration, DataConfig, PipelineConfig

if TYPE_CHECKING:
    from pipeline.definition.spec import Pipeline
    from pipeline.inspection.reader import Reader

RUN_HELP = "RUN is an id, its unique beginning, `latest` or `latest~1`."
ARTIFACT_HELP = (
    "ID is a number, the first digits of a digest, or the output of a node in a run: latest:Trainer, "
    "latest:Trainer:model_run."
)
COUNT = click.IntRange(min=1, max=10**9)  # of rows; a larger number does not fit in the 32 bits of ML Metadata
_Command = Callable[..., None]
_Decorator = Callable[[_Command], _Command]


def resolve_root(given: str | None) -> Root:
    """Return the root of `--root`, else of SAE_ROOT, else the default one."""
    return Root.at(pathlib.Path(settings.resolve(settings.Request(root=given)).config.paths.root))


def current_pipeline() -> Pipeline:
    """Return the pipeline of `--pipeline`, else of SAE_PIPELINE, else of the root, else the one of this project."""
    from pipeline.definition.spec import of_root

    context = click.get_current_context(silent=True)
    given = (context.find_root().params.get("pipeline") if context else "") or ""
    return of_root(resolve_root(context.params.get("root") if context else None), given)


def data_folder(given: pathlib.Path | None) -> pathlib.Path:
    """Return the folder of prepared data sets of `--data-dir`, else that of TFDS; suggested commands name it too."""
    from pipeline.sparse_autoencoder import dataset_folder

    try:
        folder = dataset_folder.data_folder(DataConfig(data_dir=str(given) if given else ""))
    except ValueError as error:
        raise UsageError(f"--data-dir {str(given)!r} is not allowed: {error}") from error
    if given:
        set_selected("data_dir", str(folder))
    return folder


class LocalPath(click.Path):
    """A path on this machine, with `~` expanded; `stores` also allows URLs, of databases."""

    def __init__(self, stores: bool = False) -> None:
        super().__init__(path_type=str if stores else pathlib.Path)
        self._stores = stores

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Raises a usage error, or `UnavailableError` if it is too long."""
        text = os.fspath(value)
        if not text:  # `pathlib` takes it for the working directory
            self.fail("it is empty: give a path, or leave it out", param, ctx)
        if not (self._stores and "://" in text):  # `open_source` checks URLs
            try:
                text = local_path(text)
            except ValueError as error:
                self.fail(f"{text!r} is not allowed: {error}", param, ctx)
        return super().convert(text, param, ctx)


class _ProfileOption(click.Option):
    """The option --profile, whose help lists the profiles of the selected pipeline."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option and its help."""
        configuration: type[Configuration] = PipelineConfig
        whose = "; of the default pipeline"
        if given := ctx.find_root().params.get("pipeline") or os.environ.get("SAE_PIPELINE"):
            from pipeline.definition.spec import load

            with contextlib.suppress(SaeError):  # a pipeline that cannot be loaded: running the command reports it
                configuration, whose = load(given).configuration, ""
        names = list(configuration.profiles)
        listed = f"{whose}: {', '.join(names)}.  [default: {names[0]}]" if names else "; this pipeline has none."
        self.help = f"Named set of settings{listed}"
        return super().get_help_record(ctx)


def together(*decorators: _Decorator) -> _Decorator:
    """Return a decorator that applies several; the help lists their options in this order."""
    return lambda command: functools.reduce(lambda made, one: one(made), reversed(decorators), command)


def gathered(kind: Callable[..., Any], *decorators: _Decorator) -> _Decorator:
    """Return a decorator that adds options; the command gets them as one value: `kind` called with all."""
    names = list(inspect.signature(kind).parameters)

    def add(command: _Command) -> _Command:
        @functools.wraps(command)  # with the options that it has already
        def with_options(**options: Any) -> None:
            command(kind(*[options.pop(name) for name in names]), **options)

        return together(*decorators)(with_options)

    return add


def explained(text: str) -> _Decorator:
    """Return a decorator that adds a paragraph to the help of a command."""

    def add(command: _Command) -> _Command:
        command.__doc__ = f"{command.__doc__}\n\n    {text}"
        return command

    return add


def number_option(*names: str, limits: tuple[int, int], default: int, meaning: str) -> _Decorator:
    """Return the option of a whole number between two limits, which are allowed too."""
    kind = click.IntRange(*limits)
    return click.option(*names, type=kind, default=default, show_default=True, metavar="N", help=meaning)


root_option = click.option(
    "--root",
    metavar="DIR",
    callback=record,
    shell_complete=completion.folders,
    help=f"Pipeline root; also {settings.ROOT_VARIABLE}.  [default: pipeline_root]",
)
node_option = functools.partial(click.option, default="", metavar="NODE", shell_complete=completion.nodes)
run_option = functools.partial(click.option, default="", metavar="RUN", shell_complete=completion.runs)
path_option = functools.partial(click.option, type=LocalPath(), metavar="FILE")
config_option = path_option("--config", "config_file", help="TOML file with settings, such as [training] epochs = 5.")
set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="One setting, such as training.epochs=5; may be repeated. `sae config show` lists them.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
limit_option = click.option(
    "--limit", type=COUNT, default=20, show_default=True, metavar="N", help="Maximum number of rows."
)
metadata_option = click.option(
    "--metadata",
    metavar="FILE|URL",
    callback=record,
    type=LocalPath(stores=True),
    help="Read this ML Metadata store: an SQLite file, or postgresql://... or mysql://...",
)

map_option = click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="OLD=NEW",
    help="Look for files of artifacts whose URI begins with OLD in the folder NEW; may be repeated.",
)


def request(
    profile: str, config_file: pathlib.Path | None, assignments: tuple[str, ...], seed: int | None, root: str | None
) -> settings.Request:
    """Return the request for settings that `setting_options` give; suggested commands name its root."""
    wanted = settings.Request(profile, config_file, assignments, seed, root, current_pipeline().configuration)
    with contextlib.suppress(SaeError):  # the command raises it again
        resolved = settings.resolve(wanted)
        if resolved.origins["paths.root"] not in ("default", settings.ROOT_VARIABLE):  # also of --config and --set
            set_selected("root", resolved.config.paths.root)
    return wanted


setting_options = gathered(
    request,
    click.option(
        "--profile", cls=_ProfileOption, default="", metavar="NAME", shell_complete=completion.profiles, help=""
    ),
    config_option,
    set_option,
    click.option("--seed", type=int, metavar="N", help="Seed of the weights and of the order in each epoch."),
    root_option,
)

# The options that select the nodes to execute.
part_options = together(
    node_option("--from-node", help="Run this node and the nodes after it; several separated by commas."),
    node_option("--to-node", help="Run this node and the nodes before it; several separated by commas."),
    run_option("--base", "base_run", help="Run whose outputs the other nodes provide.  [default: newest]"),
    click.option("--no-cache", is_flag=True, help="Execute every node."),
    click.option("--verify-cache", is_flag=True, help="Hash every file of reused artifacts, not only changed ones."),
)


def _labels(
    label: str, labels: pathlib.Path | None, no_labels: bool, array: str, leave_out: tuple[str, ...]
) -> dict[str, Any]:
    """Return the values of `label_options` by name. Raises `UsageError` if some exclude each other."""
    if no_labels and (label or labels):
        raise UsageError("--no-labels excludes --label and --labels: leave it out, or them")
    return {
        "label": label,
        "labels": str(labels) if labels else "",
        "no_labels": no_labels,
        "array": array,
        "leave_out": leave_out,
    }


# The options that say where the labels and the data of own files are.
label_options = gathered(
    _labels,
    click.option("--label", default="", metavar="COLUMN", help="Column or array of the labels."),
    path_option("--labels", help="File of labels: CSV (for pictures with a column of file names), .npy or IDX."),
    click.option("--no-labels", is_flag=True, help="Leave labels out; subfolders are none."),
    click.option("--array", default="", metavar="NAME", help="Array of an .npz file with the data."),
    click.option(
        "--leave-out",
        multiple=True,
        metavar="COLUMN",
        help="Column of a .csv or .parquet file to leave out; may be repeated.",
    ),
)
run_argument = together(explained(RUN_HELP), click.argument("run_id", metavar="RUN", shell_complete=completion.runs))
artifact_argument = together(
    explained(ARTIFACT_HELP), click.argument("artifact", metavar="ID", shell_complete=completion.artifacts)
)
dataset_argument = click.argument("name", metavar="NAME", shell_complete=completion.datasets)
data_dir_option = click.option(
    "--data-dir",
    type=LocalPath(),
    metavar="DIR",
    shell_complete=completion.folders,
    help="Folder of prepared data sets.  [default: TFDS_DATA_DIR, else ~/tensorflow_datasets]",
)
sweep_argument = click.argument("name", metavar="NAME", shell_complete=completion.sweeps)
schedule_argument = click.argument("name", metavar="NAME", shell_complete=completion.schedules)


@dataclasses.dataclass(frozen=True)
class ReadOptions:
    """The options of a command that reads.

    Attributes:
      metadata: a store to read instead of that of the root; None if not given.
      root: of `--root`; None if not given.
      as_json: whether to print JSON.
    """

    metadata: str | None
    root: str | None
    as_json: bool

    @contextlib.contextmanager
    def reader(self, maps: Sequence[str] = ()) -> Iterator[Reader]:
        """Open the store; `maps`: values of `--map`."""
        # Imported here, because `--help` and completion import this module and read nothing.
        from pipeline.inspection.file_places import parse_map
        from pipeline.inspection.locations import open_reader

        parsed = [parse_map(one) for one in maps]
        with open_reader(current_pipeline(), self.metadata, resolve_root(self.root), parsed) as reader:
            yield reader


reading_options = gathered(ReadOptions, root_option, metadata_option, json_option)
