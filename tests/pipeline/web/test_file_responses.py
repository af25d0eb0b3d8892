"""Files of a root: only those inside it, only up to a size, and never as a page that could do something."""

import os

import pytest

from pipeline.artifacts import previews
from pipeline.web import file_responses
from pipeline.web.security import REPORT_POLICY
from tests.builders import pages as content
from tests.builders.pages import artifact_of, note, path_of


@pytest.fixture
def ran(recorded, ask):
    """A root with one artifact of SchemaGen and a secret beside the root: client, id, folder."""
    recorded.run("r1", names=["SchemaGen"])
    (recorded.folder / "secret.txt").write_text("secret")
    number = artifact_of(recorded, "r1", "SchemaGen", "schema")
    return ask(recorded.root), number, path_of(recorded, "r1", "SchemaGen", "schema")


class TestArtifactFiles:
    def test_the_folder_of_artifacts_may_be_a_link_of_the_operator(self, ran, recorded):
        client, number, folder = ran
        (folder / "report.html").write_text("the report")
        elsewhere = recorded.folder / "disk"
        (recorded.root.path / "artifacts").rename(elsewhere)
        (recorded.root.path / "artifacts").symlink_to(elsewhere)
        shown = client.get(f"/artifacts/{number}/files/report.html")
        assert (shown.status_code, shown.text) == (200, "the report")
        assert shown.headers["content-security-policy"] == REPORT_POLICY
        for name, target in (("link.txt", recorded.folder / "secret.txt"), ("folder", recorded.folder)):
            (folder / name).symlink_to(target)
        assert client.get(f"/artifacts/{number}/files/link.txt").status_code == 404
        assert client.get(f"/artifacts/{number}/files/folder/secret.txt").status_code == 404
        assert client.get(f"/artifacts/{number}/files/..%2F..%2F..%2F..%2Fsecret.txt").status_code == 404

    def test_text_is_shown_and_the_rest_is_stored(self, ran):
        client, number, folder = ran
        (folder / "schema.pbtxt").write_text("<b>")
        (folder / "a b#?.html").write_text("<script>")
        shown = client.get(f"/artifacts/{number}/files/schema.pbtxt")
        assert (shown.text, shown.headers["content-type"]) == ("<b>", "text/plain; charset=utf-8")
        stored = client.get(f"/artifacts/{number}/files/a%20b%23%3F.html")
        assert (stored.text, stored.headers["content-type"]) == ("<script>", "application/octet-stream")
        assert stored.headers["content-disposition"] == "attachment; filename*=utf-8''a%20b%23%3F.html"
        assert client.get(f"/artifacts/{number}/files/inner/part-1").text == "more"

    def test_a_picture_must_be_one(self, ran):
        client, number, folder = ran
        (folder / "yes.png").write_bytes(content.png())
        (folder / "no.png").write_bytes(b"<svg onload=alert(1)>")
        assert client.get(f"/artifacts/{number}/files/yes.png").headers["content-type"] == "image/png"
        assert client.get(f"/artifacts/{number}/files/no.png").headers["content-type"] == "application/octet-stream"

    @pytest.mark.parametrize(
        "name",
        ["../../../../metadata.sqlite", "..%2F..%2F..%2F..%2Fmetadata.sqlite", "%2e%2e/%2e%2e/x", "/etc/passwd",
         "%2Fetc%2Fpasswd", "inner/../../../../../root.json", "inner", ".", "part-0%00", "nowhere", "\\..\\x",
         "x" * 5000]
    )  # fmt: skip
    def test_nothing_else_can_be_reached(self, ran, name):
        client, number, _ = ran
        answer = client.get(f"http://localhost:8000/artifacts/{number}/files/{name}")
        assert answer.status_code == 404
        assert "secret" not in answer.text

    def test_links_out_of_the_root_lead_nowhere(self, ran, recorded):
        client, number, folder = ran
        (folder / "file.txt").symlink_to(recorded.folder / "secret.txt")
        (folder / "out").symlink_to(recorded.folder)
        (folder / "within.txt").symlink_to(folder / "part-0")
        assert client.get(f"/artifacts/{number}/files/file.txt").status_code == 404
        assert client.get(f"/artifacts/{number}/files/out/secret.txt").status_code == 404
        assert client.get(f"/artifacts/{number}/files/within.txt").status_code == 200

    def test_a_link_in_the_root_leads_to_a_folder_elsewhere_and_content_not_out_of_that(self, ran, recorded):
        client, number, folder = ran
        elsewhere = recorded.folder / "elsewhere"
        recorded.root.artifacts.rename(elsewhere)
        recorded.root.artifacts.symlink_to(elsewhere)
        (folder / "schema.pbtxt").write_text("here")
        (folder / "out").symlink_to(recorded.folder)
        (folder / "root.txt").symlink_to(recorded.root.about)
        assert client.get(f"/artifacts/{number}/files/schema.pbtxt").text == "here"
        assert client.get(f"/artifacts/{number}/files/root.txt").status_code == 200
        assert client.get(f"/artifacts/{number}/files/out/secret.txt").status_code == 404
        assert client.get(f"/artifacts/{number}/files/../../../../../secret.txt").status_code == 404

    def test_a_pipe_is_no_file_and_nobody_waits_for_it(self, ran):
        client, number, folder = ran
        os.mkfifo(folder / "pipe.txt")
        assert client.get(f"/artifacts/{number}/files/pipe.txt").status_code == 404

    def test_an_artifact_outside_the_root_is_not_opened(self, ran, recorded):
        client, number, _ = ran
        recorded.change(number, uri=str(recorded.folder))
        assert client.get(f"/artifacts/{number}/files/secret.txt").status_code == 404
        assert "/files/" not in client.get(f"/artifacts/{number}").text

    def test_an_artifact_that_is_a_file(self, ran, recorded):
        client, number, folder = ran
        recorded.change(number, uri=str(folder / "part-0"))
        assert client.get(f"/artifacts/{number}/files/part-0").text.startswith("SchemaGen schema")


class TestReport:
    def test_it_is_a_page_in_a_sandbox(self, site, filled):
        number = artifact_of(filled, "good", "Report", "report")
        answer = site.get(f"/artifacts/{number}/files/report.html")
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"] == REPORT_POLICY
        assert REPORT_POLICY.startswith("sandbox; default-src 'none';")
        assert "script" not in REPORT_POLICY


class TestPictures:
    def test_those_of_a_preview(self, site, filled):
        number = artifact_of(filled, "good", "ExampleGen", "examples")
        answer = site.get(f"/artifacts/{number}/pictures/a.png")
        assert (answer.content, answer.headers["content-type"]) == (content.png(), "image/png")

    @pytest.mark.parametrize("name", ["preview.json", "..%2Fx.png", "%2e%2e%2fx.png", "x.png", ".png", "a.png%00"])
    def test_nothing_else(self, site, filled, name):
        number = artifact_of(filled, "good", "ExampleGen", "examples")
        assert site.get(f"/artifacts/{number}/pictures/{name}").status_code == 404

    def test_a_link_out_of_the_root_leads_nowhere(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        content.note(recorded, "r1", state="succeeded")
        folder = previews.folder_of(recorded.root.path, str(path_of(recorded, "r1", "SchemaGen", "schema")))
        folder.mkdir(parents=True)
        (recorded.folder / "secret.png").write_bytes(content.png())
        (folder / "out.png").symlink_to(recorded.folder / "secret.png")
        number = artifact_of(recorded, "r1", "SchemaGen", "schema")
        assert ask(recorded.root).get(f"/artifacts/{number}/pictures/out.png").status_code == 404


class TestLog:
    def test_of_a_long_one_the_end_is_shown_from_a_whole_line_on(self, recorded, ask, monkeypatch):
        monkeypatch.setattr(file_responses, "TAIL", 10)
        recorded.run("r1", names=["SchemaGen"])
        log = recorded.root.logs / "r1.log"
        log.write_text("first\nsecond\nthird\n")
        first, rest = ask(recorded.root).get("/runs/r1/log").text.split("\n", 1)
        assert rest == "third\n"
        assert first == f"[the last 6 B of 19 B; the whole log: {log}]"

    @pytest.mark.parametrize("run_id", ["../secret", "..", "a/b", "x" * 300])
    def test_an_id_leads_to_no_other_folder(self, recorded, ask, run_id):
        recorded.writer.execution(run_id, "Trainer", 3)
        (recorded.root.path / "secret.log").write_text("secret")
        (recorded.root.path / "secret.json").write_text("secret")
        client = ask(recorded.root)
        [link] = {link for link in content.Seen(client.get("/").text).links if link.startswith("/runs/")}
        for what in ("log", "manifest"):
            answer = client.get(f"{link}/{what}")
            assert answer.status_code == 404
            assert "secret" not in answer.text.replace("../secret", "")

    def test_a_link_is_not_followed(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        note(recorded, "r1", state="succeeded")
        (recorded.folder / "secret").write_text("secret")
        (recorded.root.logs / "r1.log").symlink_to(recorded.folder / "secret")
        assert ask(recorded.root).get("/runs/r1/log").status_code == 404

    def test_neither_is_one_to_events(self, recorded, ask):
        recorded.run("r1", names=["SchemaGen"])
        recorded.root.progress.mkdir()
        (recorded.folder / "events").write_text(
            '{"when": "2026-11-24T16:51:19+00:00", "event": "Note", "text": "secret", "warning": true}\n'
        )
        (recorded.root.progress / "r1.jsonl").symlink_to(recorded.folder / "events")
        answer = ask(recorded.root).get("/runs/r1")
        assert answer.status_code == 200
        assert "secret" not in answer.text
