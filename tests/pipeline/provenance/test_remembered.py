"""Answers about packages and code, kept between processes: when they are taken from the file, and when not."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest

from pipeline.provenance import packages, remembered


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The only folder on the search path, with one distribution."""
    folder = tmp_path / "site-packages"
    _install(folder, "a", "1.0")
    monkeypatch.setattr(sys, "path", [str(folder)])
    return folder


@pytest.fixture
def file(tmp_path):
    return tmp_path / "root" / "cache" / "provenance.json"


def _install(folder, name, version):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{name}/__init__.py,,\n")
    return info


def _ask(file, answer="new", write=True):
    """Return what a new process gets: `answer` if it has to find it itself."""
    file.parent.parent.mkdir(parents=True, exist_ok=True)
    with remembered.in_file(file, write):
        return remembered.answer("question", ["subject"], lambda: answer)


def test_an_answer_is_found_once_and_kept_by_question_and_subject(site, file):
    assert _ask(file, "first") == "first"
    assert _ask(file) == "first"
    with remembered.in_file(file, write=True):
        assert remembered.answer("question", ["other"], lambda: {"a": "1"}) == {"a": "1"}
        assert remembered.answer("another", ["subject"], lambda: ["a"]) == ["a"]
        assert remembered.answer("question", ["subject"], lambda: "new") == "first"
        assert remembered.answer("question", ["other"], lambda: "new") == {"a": "1"}
    assert _ask(file) == "first"


def _upgrade(site):
    shutil.rmtree(site / "a-1.0.dist-info")
    _install(site, "a", "2.0")


def _reinstall(site):
    shutil.rmtree(site / "a-1.0.dist-info")
    _install(site, "a", "1.0")


def _rewrite(site):
    """As an editor does, with the size and the time of before."""
    metadata = site / "a-1.0.dist-info" / "METADATA"
    before = metadata.stat()
    metadata.write_text(metadata.read_text().replace("1.0", "2.0"))
    os.utime(metadata, ns=(before.st_atime_ns, before.st_mtime_ns))


def _install_elsewhere(site):
    _install(site.parent / "more", "b", "1.0")
    sys.path.append(str(site.parent / "more"))


def _install_egg(site):
    (site / "b.egg-info").mkdir()


def _lose_record(site):
    (site / "a-1.0.dist-info" / "RECORD").unlink()


@pytest.mark.parametrize(
    "change",
    [_upgrade, _reinstall, _rewrite, _install_elsewhere, _install_egg, _lose_record],
    ids=lambda one: one.__name__,
)
def test_nothing_is_kept_when_a_package_changes(site, file, change):
    _ask(file, "first")
    change(site)
    assert _ask(file) == "new"


def test_what_a_distribution_without_a_record_lists_elsewhere_counts(site, file):
    _lose_record(site)
    _ask(file, "first")
    assert _ask(file) == "first"
    (site / "a-1.0.dist-info" / "SOURCES.txt").write_text("a.py")
    assert _ask(file) == "new"


def test_folders_without_packages_do_not_count(site, file, tmp_path):
    _ask(file, "first")
    (tmp_path / "work").mkdir()
    sys.path.insert(0, str(tmp_path / "work"))  # the working directory, or the folder of a script
    assert _ask(file) == "first"


def test_nothing_is_kept_on_another_interpreter_or_system(site, file, monkeypatch):
    _ask(file, "first")
    monkeypatch.setattr(sys, "version", "3.99")
    assert _ask(file) == "new"


def test_folders_that_libraries_add_to_the_search_path_meanwhile_do_not_count(site, file):
    _ask(file, "first")
    added = site.parent / "vendored"
    _install(added, "b", "2.0")
    with remembered.in_file(file, write=True):
        sys.path.append(str(added))
        assert remembered.answer("question", ["subject"], lambda: "new") == "first"
        assert packages.closure(["a", "b"]) == {"a": "1.0"}
    assert packages.closure(["a", "b"]) == {"a": "1.0", "b": "2.0"}
    sys.path.pop()
    assert _ask(file) == "first"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"digest": "0", "answers": {}}', '{"digest": 1, "answers": 1}']
)
def test_a_damaged_file_is_replaced(site, file, content):
    _ask(file, "first")
    file.write_text(content)
    assert _ask(file) == "new"
    assert _ask(file, "newer") == "new"


def test_an_answer_that_was_edited_is_not_taken(site, file):
    _ask(file, "first")
    content = json.loads(file.read_text())
    content["answers"] = dict.fromkeys(content["answers"], "edited")
    file.write_text(json.dumps(content))
    assert _ask(file) == "new"


def test_nothing_is_written_for_a_reader_nor_where_nothing_is_new(site, file):
    _ask(file, write=False)
    assert not file.parent.exists()
    _ask(file, "first")
    before = file.stat()
    assert _ask(file) == "first"
    assert file.stat() == before


def test_a_file_that_cannot_be_written_has_no_effect(site, file):
    file.parent.parent.mkdir()
    file.parent.write_text("not a folder")
    assert _ask(file, "first") == "first"


def test_answers_are_kept_of_a_run_that_fails(site, file):
    file.parent.mkdir(parents=True)

    def failing():
        with remembered.in_file(file, write=True):
            remembered.answer("question", ["subject"], lambda: "first")
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        failing()
    assert _ask(file) == "first"


def test_outside_of_a_file_everything_is_found_anew(site):
    assert remembered.answer("question", ["subject"], lambda: "first") == "first"
    assert remembered.answer("question", ["subject"], lambda: "new") == "new"
