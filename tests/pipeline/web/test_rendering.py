"""How sentences become HTML."""

from __future__ import annotations

import os
import sys

import pytest

from pipeline.core.suggestions import Selection
from pipeline.web import rendering
from pipeline.web.urls import Links


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("no run: `sae run --root <x>` makes one", "no run: <code>sae run --root &lt;x&gt;</code> makes one"),
        ("`a` & `b`", "<code>a</code> &amp; <code>b</code>"),
        ("one ` alone, and <b>", "one ` alone, and &lt;b&gt;"),
        ("nothing", "nothing"),
    ],
)
def test_commands_look_like_code_and_all_else_is_text(text, html):
    assert f'role="alert">{html}</p>' in rendering.error_html("Title", text, "store", Links(), Selection())


def test_direction_marks_are_written_as_codes():
    html = rendering.error_html("Title", "\u202egpj.exe \u2066 a\nb", "/a/\u202eroot", Links(), Selection())
    assert "\\u202egpj.exe \\u2066 a\nb" in html
    assert not set(html) & {"\u202e", "\u2066"}


def test_commands_select_the_same_root():
    html = rendering.error_html("Title", "no run: `sae runs` lists all", "store", Links(), Selection(root="/a b"))
    assert "<code>sae runs --root &#x27;/a b&#x27;</code> lists all" in html


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """A folder for compiled code; and a function that returns the templates that the next environment compiles."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))

    def compile_templates():
        environment = rendering._environment.__wrapped__()
        compile_one, names = environment.compile, []

        def note(source, name, filename):
            names.append(name)
            return compile_one(source, name, filename)

        monkeypatch.setattr(environment, "compile", note)
        assert environment.get_template("error.html").render
        assert environment.get_template("base.html").render
        return names

    return compile_templates


def test_templates_are_compiled_once(compiled):
    assert [compiled(), compiled()] == [["error.html", "base.html"], []]


@pytest.mark.parametrize("size", [30, 200])
def test_a_compiled_template_that_is_damaged_is_compiled_again(size, compiled, tmp_path):
    compiled()
    [file] = tmp_path.rglob("base.html*")
    file.write_bytes(file.read_bytes()[:size])
    assert [compiled(), compiled()] == [["base.html"], []]


def test_without_a_place_for_compiled_code_templates_are_compiled_each_time(compiled, monkeypatch):
    monkeypatch.setattr(sys, "pycache_prefix", os.devnull)
    assert [compiled(), compiled()] == [["error.html", "base.html"]] * 2


def test_without_a_folder_to_write_to_templates_are_compiled_each_time(compiled, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to("nothing")
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "link"))
    assert [compiled(), compiled()] == [["error.html", "base.html"]] * 2
