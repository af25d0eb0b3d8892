"""A root that someone else filled: pipes, links out of the root and URIs that end in long numbers stop no page."""

from __future__ import annotations

import os
import pathlib
import urllib.error
import urllib.request

import pytest

from pipeline.artifacts import previews
from pipeline.web import connections
from tests.builders import pages as content
from tests.builders.pages import artifact_of, path_of
from tests.builders.roots import Recorded
from tests.pipeline.web.test_connections import serving

LONG = ("1" * 20, "9" * 19, "9" * 5000)


@pytest.fixture
def filled(tmp_path):
    recorded = Recorded(tmp_path)
    recorded.run("r1")
    content.note(recorded, "r1", state="succeeded")
    content.show(recorded, "r1")
    content.make_manifest(recorded, "r1", 0.001)
    return recorded


def status(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.component
def test_pipes_hold_no_thread_of_the_server(filled):
    root, kind = filled.root, ("Trainer", "model_run")
    number, folder = artifact_of(filled, "r1", *kind), path_of(filled, "r1", *kind)
    preview = previews.folder_of(root.path, str(folder))
    for path in (root.progress / "r1.jsonl", root.logs / "r1.log", root.manifests / "r1.json", folder / "pipe.txt",
                 preview / "preview.json", preview / "a.png"):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    paths = {
        "/runs/r1": 200, "/runs/r1.json": 200, "/runs/r1/nodes/Trainer": 200, "/": 200, f"/artifacts/{number}": 200,
        "/runs/r1/log": 404, "/runs/r1/manifest": 404, f"/artifacts/{number}/files/pipe.txt": 404,
        f"/artifacts/{number}/pictures/a.png": 404, "/health.json": 200,
    }  # fmt: skip
    assert len(paths) > connections.THREADS  # the last one would not be answered
    with serving(root.path) as (port, _, log):
        assert {path: status(port, path)[0] for path in paths} == paths
    assert b"Traceback" not in log.read_bytes()


@pytest.mark.parametrize("end", LONG, ids=len)
def test_a_uri_that_ends_in_a_long_number_stops_no_page(filled, ask, end, caplog):
    number = artifact_of(filled, "r1", "Trainer", "model")
    filled.change(number, uri=f"{filled.root.artifacts}/Trainer/model/{end}")
    client = ask(filled.root)
    for path in ("/runs/r1", "/artifacts", f"/artifacts/{number}", f"/artifacts/{number}/lineage", "/models"):
        assert client.get(path).status_code == 200, path
        assert client.get(f"{path}.json").status_code == 200, path
    assert client.get(f"/artifacts/{number}/files/x").status_code == 404
    assert caplog.text == ""


def test_no_link_in_a_root_leads_out_of_it(filled, ask):
    secret = filled.folder / "secret"
    secret.mkdir()
    for name in ("secret.txt", "a.png", "preview.json"):
        (secret / name).write_bytes(content.png() + b"secret")
    number, folder = artifact_of(filled, "r1", "Trainer", "model"), path_of(filled, "r1", "Trainer", "model")
    (folder / "file.txt").symlink_to(secret / "secret.txt")
    (folder / "out").symlink_to(secret)
    (folder / "via").symlink_to(folder / "out")
    preview = previews.folder_of(filled.root.path, str(folder))
    for path in preview.glob("*"):
        path.unlink()
    preview.rmdir()
    preview.symlink_to(secret)
    (filled.root.logs / "r1.log").symlink_to(secret / "secret.txt")
    client = ask(filled.root)
    for path in ("files/file.txt", "files/out/secret.txt", "files/via/secret.txt", "pictures/a.png"):
        answer = client.get(f"/artifacts/{number}/{path}")
        assert answer.status_code == 404, path
        assert b"secret" not in answer.content.replace(b"secret.txt", b"")
    assert client.get("/runs/r1/log").status_code == 404


NUMBERS = ("9" * 20, "9" * 5000, "0" * 5000, "-" + "9" * 5000, "1e5000")


@pytest.mark.parametrize("digits", NUMBERS, ids=lambda one: one[:4])
@pytest.mark.parametrize(
    "path",
    [
        "/artifacts/{}", "/artifacts/{}/lineage", "/artifacts/{}/files/x", "/artifacts/{}/pictures/a.png", "/runs/{}",
        "/runs/latest~{}", "/runs/r1/nodes/{}", "/compare?run={}&run=r1", "/?start={}", "/artifacts?start={}",
        "/artifacts?run={}", "/artifacts?node={}", "/artifacts?type={}",
    ],
)  # fmt: skip
def test_long_numbers_in_addresses_are_client_errors(filled_once, ask, path, digits, caplog):
    answer = ask(filled_once).get(path.format(digits))
    zero = set(digits) == {"0"}  # `latest~000` is the newest run
    assert 400 <= answer.status_code < 500 or (zero and answer.status_code in (200, 307)), path
    assert caplog.text == ""


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory) -> pathlib.Path:
    recorded = Recorded(tmp_path_factory.mktemp("once"))
    recorded.run("r1")
    return recorded.root
