"""Who may ask, how, and what browsers are told to refuse."""

import pytest

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


class TestMethods:
    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
    def test_nothing_but_reading_is_answered(self, site, method):
        answer = site.request(method, "/")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")

    def test_head_has_no_body(self, site):
        answer = site.head("/")
        assert (answer.status_code, answer.content) == (200, b"")
