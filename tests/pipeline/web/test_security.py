"""Who may ask, how, and what browsers are told to refuse."""

import html
import re

import pytest

from pipeline.core.errors import UsageError
from pipeline.web.security import POLICY

EVERYWHERE = ["/", "/runs.json", "/nowhere", "/nowhere.json", "/static/site.css", "/compare", "/health.json"]


class TestHeaders:
    @pytest.mark.parametrize("path", EVERYWHERE)
    def test_every_answer_has_them(self, site, path):
        headers = site.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"

    def test_nothing_inline_and_nothing_from_elsewhere_is_allowed(self):
        allowed = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
        assert allowed["default-src"] == "'none'"
        assert {allowed[name] for name in ("style-src", "script-src", "img-src", "connect-src")} == {"'self'"}
        assert {allowed[name] for name in ("base-uri", "frame-ancestors")} == {"'none'"}


class TestHost:
    @pytest.mark.parametrize(
        "host", ["localhost", "localhost:1", "LOCALHOST:8000", "127.0.0.1:65535", "[::1]:80", "[::1]"]
    )
    def test_this_machine_is_answered(self, site, host):
        assert site.get("/runs.json", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example",
            "localhost:8000@evil", "127.0.0.2", "192.168.0.7:8000", "0.0.0.0", "[::2]", "::1", "localhost.", "",
            " localhost", "localhost:99999999",
        ],
    )  # fmt: skip
    def test_any_other_name_is_refused_before_anything_is_read(self, site, host):
        answer = site.get("/runs.json", headers={"Host": host})
        assert (answer.status_code, answer.headers["content-security-policy"]) == (421, POLICY)
        assert "good" not in answer.text

    def test_two_of_them_are_refused(self, site):
        assert site.get("/", headers=[("Host", "localhost"), ("Host", "evil.example")]).status_code == 421

    def test_the_address_that_it_is_bound_to_is_answered(self, filled, ask):
        bound = ask(filled.root, host="192.168.0.7")
        assert bound.get("/", headers={"Host": "192.168.0.7:8000"}).status_code == 200
        assert bound.get("/", headers={"Host": "192.168.0.8:8000"}).status_code == 421

    def test_bound_to_every_address_it_answers_to_any_but_to_no_name(self, filled, ask):
        bound = ask(filled.root, host="0.0.0.0")
        assert bound.get("/", headers={"Host": "192.168.0.8:8000"}).status_code == 200
        assert bound.get("/", headers={"Host": "evil.example"}).status_code == 421

    def test_names_that_are_allowed_are_answered(self, filled, ask):
        bound = ask(filled.root, names=("Lab.example", "[fe80::1]"))
        for host in ("lab.example", "LAB.example:443", "[FE80::1]:8000", "localhost"):
            assert bound.get("/runs.json", headers={"Host": host}).status_code == 200, host
        assert bound.get("/runs.json", headers={"Host": "evil.example"}).status_code == 421

    @pytest.mark.parametrize("name", ["", "a b", "lab.example:443", "http://lab.example", "*", "a/b", "lab.example\n"])
    def test_names_that_are_none_are_refused(self, filled, ask, name):
        with pytest.raises(UsageError, match="--allow-host"):
            ask(filled.root, names=(name,))


class TestBasePath:
    """Behind a proxy that passes on `/sae/...`, or removes the prefix."""

    @pytest.fixture
    def site(self, filled, ask):
        return ask(filled.root, base_path="/sae")

    @pytest.mark.parametrize("path", ["/sae/", "/sae", "/"])
    def test_every_address_in_a_page_has_it(self, site, path):
        answer = site.get(path)
        found = re.findall(r'(?:href|src|action)="(/[^"]*)"', html.unescape(answer.text))
        assert answer.status_code == 200
        assert len(found) > 10
        assert [one for one in found if not one.startswith("/sae/")] == []
        assert {site.get(one).status_code for one in found if one != "/sae/compare"} == {200}

    @pytest.mark.parametrize(
        ("path", "to"),
        [
            ("/sae/runs", "/sae/"),
            ("/sae/runs/latest", "/sae/runs/better"),
            ("/sae/runs/latest.json?a=1", "/sae/runs/better.json?a=1"),
        ],
    )
    def test_redirections_have_it(self, site, path, to):
        assert site.get(path).headers["location"] == to

    def test_a_name_that_only_begins_like_it_is_no_page(self, site):
        assert site.get("/saebel").status_code == 404

    @pytest.mark.parametrize(
        "path", ["sae", "/sae/", "/", "//", "/../x", "/a b", "/<b>", "/a\n", "https://lab.example/"]
    )
    def test_what_is_no_prefix_is_refused(self, filled, ask, path):
        with pytest.raises(UsageError, match="--base-path"):
            ask(filled.root, base_path=path)


class TestMethods:
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
    def test_nothing_but_reading_is_answered(self, site, method):
        answer = site.request(method, "/")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")

    def test_head_has_no_body(self, site):
        answer = site.head("/")
        assert (answer.status_code, answer.content) == (200, b"")
