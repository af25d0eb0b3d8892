"""Digests of data and of code: what changes them and what does not."""

from __future__ import annotations

import hashlib
import os
import shutil

import pytest

from pipeline import provenance


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_bytes(b"one")
    (folder / "inner" / "b").write_bytes(b"two")
    return folder


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Writes files of a package `components`, and returns the code digest of one of its modules."""
    package = tmp_path / "components"
    package.mkdir()
    monkeypatch.setattr(provenance, "_root", lambda: str(package))

    def write_and_digest(module, **files):
        for name, text in files.items():
            (package / name.replace("__", ".")).write_text(text)
        provenance._imports.cache_clear()
        return provenance.code_digest(module)

    yield write_and_digest
    provenance._imports.cache_clear()


def test_a_files_digest_is_its_sha256(tmp_path):
    # The example of FIPS 180-4.
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert provenance.file_digest(tmp_path / "file") == expected


def test_a_file_larger_than_a_block_is_read_to_its_end(tmp_path):
    content = bytes(3 * (1 << 20)) + b"end"
    (tmp_path / "file").write_bytes(content)
    assert provenance.file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_copy_elsewhere_with_other_times_has_the_same_fingerprint(data, tmp_path):
    copy = shutil.copytree(data, tmp_path / "copy")
    os.utime(copy / "a", (1, 1))
    (copy / "empty").mkdir()
    assert provenance.fingerprint(copy) == provenance.fingerprint(data)


def test_files_count_in_the_order_of_their_names(tmp_path):
    names = [f"{number:02}" for number in range(40)]
    for name in names:
        (tmp_path / name).write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    text = "".join(f"{name}\0{abc}" for name in names)
    assert provenance.fingerprint(tmp_path) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").write_bytes(b"One"),
        lambda folder: (folder / "inner" / "b").write_bytes(b"two "),
        lambda folder: (folder / "a").rename(folder / "c"),
        lambda folder: (folder / "a").rename(folder / "inner" / "a"),
        lambda folder: (folder / "a").unlink(),
        lambda folder: (folder / "c").touch(),
    ],
    ids=["bytes", "inner bytes", "name", "place", "missing", "empty file more"],
)
def test_a_fingerprint_changes_with_names_and_bytes(data, change):
    before = provenance.fingerprint(data)
    change(data)
    assert provenance.fingerprint(data) != before


def test_exchanging_the_content_of_two_files_changes_the_fingerprint(data):
    before = provenance.fingerprint(data)
    (data / "a").write_bytes(b"two")
    (data / "inner" / "b").write_bytes(b"one")
    assert provenance.fingerprint(data) != before


def test_code_is_the_module_and_what_it_imports_at_any_depth(digest):
    first = digest(
        "components.a",
        a__py="from components import b\nimport os",
        b__py="def f():\n    import components.c",
        c__py="X = 1",
        other__py="Y = 1",
    )
    assert digest("components.a") == first
    assert digest("components.a", other__py="Y = 2") == first
    assert digest("components.a", c__py="X = 2") != first
    assert digest("components.a", c__py="X = 1") == first
    assert digest("components.a", b__py="import components.c") != first


@pytest.mark.parametrize(
    "statement",
    [
        "import components.b",
        "import components.b as short",
        "from components import b",
        "from components import b as short",
        "from components.b import x",
        "if True:\n    from components.b import x",
    ],
)
def test_every_way_to_import_a_module_is_seen(digest, statement):
    first = digest("components.a", a__py=statement, b__py="x = 1")
    assert digest("components.a", b__py="x = 2") != first


def test_modules_that_import_each_other_come_to_an_end(digest):
    first = digest("components.a", a__py="import components.b", b__py="import components.a")
    assert digest("components.b") == first


def test_a_file_beside_a_module_under_its_name_is_part_of_it(digest):
    first = digest("components.page", page__py="", page__html="<p>", page_other__html="<p>")
    assert digest("components.page", page_other__html="<b>") == first
    assert digest("components.page", page__html="<b>") != first


def test_the_same_text_in_another_module_is_another_code(digest):
    assert digest("components.a", a__py="X = 1", b__py="X = 1") != digest("components.b")


def test_the_real_components_are_found():
    assert provenance._is_module("components.trainer")
    assert {"components.autoencoder", "components.training"} <= provenance._reachable("components.trainer", frozenset())
