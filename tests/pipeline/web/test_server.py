"""One answer without a server; and the server: where it listens, how it ends."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.inspection.locations import open_location
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.web import server

SERVE = """
import pathlib, sys
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.inspection.locations import open_location
from pipeline.core.pipeline_root import Root
from pipeline.web import server
with open_location(PIPELINE, None, Root(pathlib.Path(sys.argv[1]))) as place:
    server.serve(place, port=0, tell=lambda text: print(text, flush=True))
print("ended", flush=True)
"""


@pytest.fixture
def place(filled):
    with open_location(PIPELINE, None, filled.root) as opened:
        yield opened


class TestGet:
    def test_a_page_and_its_json(self, place, site):
        assert server.get(place, "/artifacts/1").decode() == site.get("/artifacts/1").text
        assert json.loads(server.get(place, "/runs.json?state=failed"))["runs"][0]["id"] == "bad"
        assert server.get(place, "/static/icon.svg").startswith(b"<svg")

    def test_names_that_change_are_followed(self, place):
        assert json.loads(server.get(place, "/runs/latest.json"))["run"]["row"]["id"] == "better"

    def test_the_first_slash_may_be_left_out_and_blanks_may_stay(self, place):
        assert json.loads(server.get(place, "health.json"))["runs"] == 4
        with pytest.raises(NotFoundError, match="no run a b"):
            server.get(place, "/runs/a b")

    @pytest.mark.parametrize("path", ["/runs/latest", "/lab/runs/latest"])
    def test_links_have_the_prefix_of_the_server(self, place, path):
        page = server.get(place, path, base_path="/lab").decode()
        assert 'href="/lab/static/site.css"' in page
        assert 'href="/static' not in page

    @pytest.mark.parametrize("given", [{"names": ["a b"]}, {"base_path": "lab/"}], ids=str)
    def test_names_and_prefix_are_checked_as_for_a_server(self, place, given):
        with pytest.raises(UsageError):
            server.get(place, "/", **given)

    @pytest.mark.parametrize(
        ("path", "error", "said"),
        [
            ("/nowhere", NotFoundError, "there is no page at this address: /nowhere"),
            ("/runs/goof", NotFoundError, "did you mean good"),
            ("/compare", UsageError, "no run is selected"),
            ("/?start=x", UsageError, "start=x is not a number"),
        ],
    )
    def test_what_is_wrong_is_said(self, place, path, error, said):
        with pytest.raises(error, match=said):
            server.get(place, path)


@pytest.mark.component
class TestServe:
    @pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", 0), ("localhost", 0), ("0.0.0.0", 1)])
    def test_what_others_can_read_is_warned_of(self, place, host, warned, monkeypatch):
        monkeypatch.setattr(server._Server, "run", lambda *_, **__: None)
        told = []
        server.serve(place, host=host, port=0, tell=told.append)
        assert len(told) == 1 + warned
        assert all(line.startswith("warning: there is no password") for line in told[1:])

    def test_a_port_that_is_taken(self, place):
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(UnavailableError, match=rf"{port}.*--port"):
                server.serve(place, port=port)

    def test_an_address_of_another_machine_and_a_port_that_is_none(self, place):
        with pytest.raises(UnavailableError, match=r"192\.0\.2\.1"):
            server.serve(place, host="192.0.2.1", port=0)
        with pytest.raises(UnavailableError, match=r"70000.*0-65535"):
            server.serve(place, port=70_000)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_answers_to_many_at_once_and_ends_when_told(self, filled, number):
        with subprocess.Popen(
            [sys.executable, "-c", SERVE, str(filled.root.path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                line = process.stdout.readline()
                address = line.split(" at ")[1].split(" ")[0]
                assert address.startswith("http://127.0.0.1:")
                assert str(filled.root.path) in line
                answers = []

                def ask():
                    with urllib.request.urlopen(f"{address}runs/good.json") as answer:
                        answers.append(json.load(answer)["run"]["row"]["id"])

                threads = [threading.Thread(target=ask) for _ in range(12)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                assert answers == ["good"] * 12
                foreign = urllib.request.Request(address, headers={"Host": "evil.example"})
                with pytest.raises(urllib.error.HTTPError, match="421"):
                    urllib.request.urlopen(foreign)
            finally:
                process.send_signal(number)
            rest, errors = process.communicate(timeout=20)
        assert (process.returncode, rest, errors) == (0, "ended\n", "")
