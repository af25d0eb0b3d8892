"""What all tests share."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pathlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

import pytest

from pipeline.core.pipeline_root import Root
from pipeline.provenance import numeric_variables
from pipeline_config import EngineConfig
from tests import PROJECT, environment, lazy, metadata_stores

# Read by TensorFlow when it is imported: TFT and TFMA know Keras 2 only.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
# Read by NumPy, likewise. A run sets it for itself, too late where NumPy is imported already; set here, a run in the
# process of a test comes out as one in a process of its own.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

# A run ignores or records these. The machine may have set some, with which NumPy would compute otherwise in the process
# of a test, and keys would be others than on another machine.
for name in {**numeric_variables.ignored(os.environ, EngineConfig()), **numeric_variables.recorded(os.environ)}:
    del os.environ[name]

# A shell starts background commands with Ctrl-C ignored, and children inherit that; the tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup does the same with SIGHUP. A handler is not inherited by a program that is started; this process goes on.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)
# Python finds the folder by writing a file, when it is first asked for: perhaps in a test with a full disk.
tempfile.gettempdir()
# Searching for garbage as often as Python does by itself, after 700 new objects, took a tenth of the tests' time.
gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def preview_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the cache of previews out of the home folder."""
    os.environ["SAE_PREVIEW_CACHE"] = str(tmp_path_factory.mktemp("preview-cache"))


# Here, because pytest reads options only from the conftest.py of a folder that it is given.
def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--chaos-seed", type=int, default=1, help="seed of the moments at which processes are killed")
    group.addoption("--chaos-minutes", type=float, default=2.5, help="how long each soak test lasts")
    group.addoption("--chaos-profile", default="sample", help="profile of the run that is killed")
    group.addoption(
        "--chaos-set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the run that is killed"
    )

    parser.addoption(
        "--metadata-store",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="of the roots of tests",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the server of `--metadata-store postgresql`, which the processes of xdist share."""
    if config.getoption("--metadata-store") != "sqlite" and not hasattr(config, "workerinput"):
        server = metadata_stores.shared()
        server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))


@pytest.fixture(scope="session", autouse=True)
def metadata_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--metadata-store postgresql`, a database for each root."""
    if request.config.getoption("--metadata-store") == "sqlite":
        yield
        return
    with metadata_stores.used():
        yield


HERE = pathlib.Path(__file__).parent
E2E = HERE / "e2e"
NODES = {HERE / "components", HERE / "pipeline" / "orchestration" / "tfx"}
# Modules that were imported when all tests had been collected.
LOADED_BY_COLLECTION = pytest.StashKey[frozenset[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the tests that load TensorFlow last: once a process has it, each fork takes 25 ms instead of 3.

    Of these, whole runs are first, so that no long file is left to one process at the end.
    """
    if config.getoption("--metadata-store") != "sqlite":
        for item in items:
            if item.get_closest_marker("sqlite_file"):
                item.add_marker(pytest.mark.skip("it needs the SQLite file"))
    config.stash[LOADED_BY_COLLECTION] = frozenset(sys.modules)
    trained = {item.path for item in items if "trained" in getattr(item, "fixturenames", ())}
    modules = {item.path: getattr(item, "module", None) for item in items}
    known: dict[str, bool] = {}
    order = {path: _order(path, path in trained or _is_lazy(module, known)) for path, module in modules.items()}
    items.sort(key=lambda item: order[item.path])


def pytest_collection_finish() -> None:
    """Leave modules, items and fixtures out of what is searched for garbage: they live as long as the process."""
    gc.freeze()


def _order(path: pathlib.Path, loads_tensorflow: bool) -> int:
    if E2E in path.parents:
        return 1
    return 2 if loads_tensorflow or NODES & {*path.parents} else 0


def _is_lazy(module: object, known: dict[str, bool]) -> bool:
    """Whether a module of the tests, or one that it imports, imports a library when it is used. Fills in `known`."""
    if isinstance(module, lazy.Module):
        return True
    if not isinstance(module, ModuleType) or not module.__name__.startswith("tests."):
        return False
    if module.__name__ not in known:
        known[module.__name__] = any(_is_lazy(value, known) for value in vars(module).values())
    return known[module.__name__]


@pytest.fixture
def root(tmp_path: pathlib.Path) -> Root:
    """A root without runs."""
    made = Root(tmp_path / "root")
    made.create()
    return made


@pytest.fixture(scope="module", autouse=True)
def restored_after_module() -> Iterator[None]:
    """Take back what runs in fixtures of a module set; a fixture that lives longer does that itself."""
    with environment.restored():
        yield


@pytest.fixture(autouse=True)
def restored_process() -> Iterator[None]:
    """Take back what a command in the process of a test sets for its own: the environment, and where its log goes.

    Its handlers would go on writing to the standard error of that test, which is closed.
    """
    loggers = [logging.getLogger(name) for name in ("", "pipeline", "uvicorn", "uvicorn.access")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    with environment.restored():
        yield
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def debian_chroot(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/debian_chroot.py, which imports what lies beside it."""
    monkeypatch.syspath_prepend(str(PROJECT / "tools"))
    return importlib.import_module("debian_chroot")
