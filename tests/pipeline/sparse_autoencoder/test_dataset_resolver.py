"""Where the data comes from: downloads that work, fail and never answer, with TFDS's own machinery."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import importlib
import pathlib
import resource
import socket
import threading
from collections.abc import Iterator

import pytest

from pipeline.core import settings
from pipeline.core.errors import UnavailableError, UsageError
from pipeline.core.pipeline_root import Root
from tests import lazy

pytestmark = pytest.mark.component

data_source = lazy.module("pipeline.sparse_autoencoder.dataset_resolver")
np = lazy.module("numpy")
tfds = lazy.module("tensorflow_datasets")


def test_a_sample_that_cannot_be_written_names_its_folder(root: Root) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(UnavailableError) as caught:
            importlib.import_module("pipeline.sparse_autoencoder.dataset_resolver")._prepare_sample(root)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"cannot be written in {root.data}: " in str(caught.value)


@pytest.fixture(scope="module")
def made_here() -> Iterator[dict[str, bool]]:
    """Registers a data set, `made_here`, that TFDS prepares without a download; `breaks` breaks it half way."""
    state = {"breaks": False}

    class MadeHere(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(
                    {
                        "image": tfds.features.Image(shape=(28, 28, 1)),
                        "label": tfds.features.ClassLabel(num_classes=10),
                    }
                )
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(60), "test": self._generate_examples(20)}

        def _generate_examples(self, count):
            for number in range(count):
                if state["breaks"] and number == 10:
                    raise OSError("the connection was cut")
                yield number, {"image": np.zeros((28, 28, 1), np.uint8), "label": number % 10}

    yield state
    tfds.core.registered._DATASET_REGISTRY.pop("made_here")


def request(tmp_path: pathlib.Path, dataset: str, *assignments: str) -> settings.Request:
    return settings.Request(assignments=(f"data.dataset={dataset}", f"data.data_dir={tmp_path / 'data'}", *assignments))


def find(asked: settings.Request, root: Root, download):
    return data_source.find(root, asked, settings.resolve(asked), download)


def prepare(builder) -> None:
    builder.download_and_prepare()


def test_what_is_not_prepared_is_prepared_by_tfds(made_here, tmp_path: pathlib.Path, root: Root) -> None:
    source = find(request(tmp_path, "made_here"), root, prepare).dataset
    assert (source.name, source.version) == ("made_here", "1.0.0")
    # 83 % of 60, and what is left.
    assert source.split_sizes == {"train": 50, "validation": 10, "test": 20}

    def never(builder) -> None:
        raise AssertionError("it is prepared already")

    assert find(request(tmp_path, "made_here"), root, never).dataset == source


@pytest.mark.parametrize("size", ["", "14x14"])
def test_the_schema_of_an_earlier_run_is_found_where_its_root_is_now(
    made_here, tmp_path: pathlib.Path, root: Root, size: str
) -> None:
    recorded = find(request(tmp_path, "made_here", f"data.size={size}"), root, prepare).dataset
    text = pathlib.Path(recorded.schema_file).read_text()
    moved = Root(root.path.rename(tmp_path / "moved"))
    other = Root(tmp_path / "other")  # as the one in which `sae verify` reruns
    other.data.mkdir(parents=True)
    for place in (moved, other):
        found = data_source.prepare(recorded, place)
        assert pathlib.Path(found.schema_file).parent == place.data
        assert pathlib.Path(found.schema_file).read_text() == text
        assert dataclasses.replace(found, schema_file=recorded.schema_file) == recorded


def test_an_edited_schema_in_a_moved_root_is_not_written_again(made_here, tmp_path: pathlib.Path, root: Root) -> None:
    recorded = find(request(tmp_path, "made_here"), root, prepare).dataset
    pathlib.Path(recorded.schema_file).write_text("edited")
    moved = Root(root.path.rename(tmp_path / "moved"))
    assert pathlib.Path(data_source.prepare(recorded, moved).schema_file).read_text() == "edited"


def test_a_curated_schema_is_found_where_the_project_is_now(made_here, tmp_path: pathlib.Path, root: Root) -> None:
    curated = find(request(tmp_path, "made_here", "data.schema=mnist"), root, prepare).dataset
    elsewhere = dataclasses.replace(curated, schema_file="/gone/components/data/schemas/mnist.pbtxt")
    assert data_source.prepare(elsewhere, root) == curated
    unknown = dataclasses.replace(curated, schema_file="/gone/components/data/schemas/letters.pbtxt")
    with pytest.raises(UnavailableError, match=r"the schema /gone/\S+/letters\.pbtxt is gone"):
        data_source.prepare(unknown, root)


def test_half_a_download_is_never_data(made_here, tmp_path: pathlib.Path, root: Root) -> None:
    made_here["breaks"] = True
    try:
        for _ in range(2):
            with pytest.raises(UnavailableError, match="made_here"):
                find(request(tmp_path, "made_here"), root, prepare)
    finally:
        made_here["breaks"] = False
    assert find(request(tmp_path, "made_here"), root, prepare).dataset.split_sizes["test"] == 20


def test_another_data_set_than_mnist_is_never_replaced_by_the_sample(
    tmp_path: pathlib.Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens on the discard port
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match=r"fashion_mnist.*TFDS_DATA_DIR") as raised:
        find(request(tmp_path, "fashion_mnist"), root, prepare)
    assert "`sae run --profile sample --root sample_root`" in str(raised.value)  # this root stays free for other data


@pytest.mark.parametrize(("asked", "meant"), [("cell", "cells"), ("fashion_mnst", "fashion_mnist"), ("qqqqq", "")])
def test_an_unknown_data_set_suggests_a_prepared_one_first(
    asked: str, meant: str, tmp_path: pathlib.Path, root: Root
) -> None:
    (tmp_path / "data" / "cells" / "1.0.0").mkdir(parents=True)
    with pytest.raises(UsageError) as raised:
        find(request(tmp_path, asked), root, prepare)
    message = str(raised.value)
    assert f"`sae data list --data-dir {tmp_path / 'data'}`" in message
    assert (f"did you mean {meant}?" in message) if meant else ("did you mean" not in message)


def test_the_data_set_of_the_runs_in_the_root_is_suggested(
    no_network: None, tmp_path: pathlib.Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    root.claim_dataset("signals")
    with pytest.raises(UsageError) as raised:
        find(settings.Request(assignments=(f"paths.root={root.path}",)), root, prepare)
    assert "--set data.dataset=signals" in str(raised.value)
    assert "--profile sample" not in str(raised.value)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """No network, and no prepared data set but those that a test makes."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens on the discard port
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("given", ["data.dataset=mnist", "data.data_dir=~/sets"])
def test_a_given_data_set_or_folder_is_never_replaced_by_the_sample(
    given: str, no_network: None, tmp_path: pathlib.Path, root: Root
) -> None:
    folder = tmp_path / ("sets" if "sets" in given else "tensorflow_datasets")
    with pytest.raises(UnavailableError, match=rf"mnist is not available: {folder} holds no prepared copy"):
        find(settings.Request(assignments=(given,)), root, prepare)
    assert root.dataset() is None


def test_the_folder_of_all_data_sets_of_a_machine_may_lack_mnist(
    no_network: None, tmp_path: pathlib.Path, root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    found = find(settings.Request(), root, prepare)
    assert found.dataset.name == "mnist_sample"
    assert str(tmp_path / "sets") in found.dataset.notice


@pytest.mark.parametrize("missing", ["features.json", "dataset_info.json"])
def test_an_incomplete_version_is_refused_and_named(
    made_here, missing: str, no_network: None, tmp_path: pathlib.Path, root: Root
) -> None:
    asked = request(tmp_path, "made_here")
    folder = pathlib.Path(find(asked, root, prepare).dataset.builder_dir)
    (folder / missing).unlink()

    def never(builder) -> None:
        raise AssertionError("it is not downloaded into the same folder")

    with pytest.raises(UnavailableError, match=f"{folder} is incomplete: it has no {missing}"):
        find(asked, root, never)


def test_an_unknown_data_set_is_refused_with_the_closest(tmp_path: pathlib.Path, root: Root) -> None:
    with pytest.raises(UsageError, match=r"fashion_mnits.*\bfashion_mnist\b"):
        find(request(tmp_path, "fashion_mnits"), root, prepare)


def test_an_unknown_split_is_refused_with_those_there_are(made_here, tmp_path: pathlib.Path, root: Root) -> None:
    with pytest.raises(UsageError, match=r"'exam'.*made_here.*train, test.*data.test_split"):
        find(request(tmp_path, "made_here", "data.test_split=exam"), root, prepare)


def test_an_unknown_schema_is_refused_with_those_there_are(made_here, tmp_path: pathlib.Path, root: Root) -> None:
    with pytest.raises(UsageError, match=r"'letters'.*fashion_mnist, mnist"):
        find(request(tmp_path, "made_here", "data.schema=letters"), root, prepare)


def test_the_sample_is_digits_and_nothing_else(tmp_path: pathlib.Path, root: Root) -> None:
    with pytest.raises(UsageError, match=r"mnist, not fashion_mnist.*--profile sample"):
        find(request(tmp_path, "fashion_mnist", "data.source=sample"), root, prepare)


@contextlib.contextmanager
def web_server(status: int) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "words"), [(200, ""), (403, "refuses it (403)"), (404, "refuses it (404)")])
def test_a_host_that_answers_says_itself_whether_the_file_is_there(status: int, words: str) -> None:
    with web_server(status) as url:
        assert words in data_source.unreachable([url], 5.0)
        assert bool(data_source.unreachable([url], 5.0)) == bool(words)


def test_a_host_that_never_answers_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and says nothing
        url = f"http://127.0.0.1:{server.getsockname()[1]}/file"
        assert "cannot be reached" in data_source.unreachable([url], 0.2)


def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "cannot be reached" in data_source.unreachable([f"http://127.0.0.1:{port}/file"], 1.0)


def test_a_data_set_without_addresses_needs_no_host() -> None:
    assert data_source.unreachable([], 1.0) == ""
