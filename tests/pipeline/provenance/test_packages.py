"""Installed packages, in a folder of made-up ones: what they require, and which of them holds a module."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys

import packaging.requirements  # noqa: F401 (before tests replace the search path)
import pytest

from pipeline.provenance import packages, remembered

with contextlib.suppress(ImportError):  # TFX 1.21 does not bring it; with 1.16 it finds importlib.metadata's packages
    import importlib_metadata  # noqa: F401


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Installs a made-up distribution; there are no others."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder)])

    def install(name, version="1.0", requires=(), files=(), where=folder):
        info = where / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        headers = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
        readme = "Requires-Dist: mentioned-in-the-readme"
        (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *headers, "", readme]))
        (info / "RECORD").write_text("\n".join(f"{file},sha256=x,1" for file in [*files, f"{info.name}/RECORD"]))
        packages._installed.cache_clear()  # in real life, packages do not come while a process runs
        packages._closure.cache_clear()
        packages._required.cache_clear()
        packages._records.cache_clear()
        packages._providing.cache_clear()

    return install


def test_what_is_required_counts_at_any_depth(site):
    site("a", "1.2", ["b>=1"])
    site("b", "2.0rc1", ["c (>=3)"])
    site("c", "3.0+local")
    site("stranger")
    site("mentioned-in-the-readme")
    assert packages.closure(["a"]) == {"a": "1.2", "b": "2.0rc1", "c": "3.0+local"}


def test_names_are_the_same_in_any_spelling(site):
    site("Foo_Bar", requires=["zope.interface"])
    site("Zope.Interface", "6.0")
    assert packages.closure(["FOO.bar"]) == {"foo-bar": "1.0", "zope-interface": "6.0"}


def test_what_is_not_installed_is_left_out(site):
    site("a", requires=["missing", "b"])
    site("b")
    assert packages.closure(["a", "nothing"]) == {"a": "1.0", "b": "1.0"}
    assert packages.closure([]) == {}


def test_circles_come_to_an_end(site):
    site("a", requires=["b"])
    site("b", requires=["a[x]"])
    assert packages.closure(["b"]) == {"a": "1.0", "b": "1.0"}


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ('python_version >= "3.10"', True),
        ('python_version < "3.10"', False),
        ('sys_platform == "win32"', False),
        ('python_version >= "3" and implementation_name == "cpython"', True),
        ('sys_platform == "win32" or python_version >= "3"', True),
        ('extra == "x"', False),
        ('(python_version >= "3") and extra == "x"', False),
        ('extra == "x" or python_version >= "3"', True),
        ("extra=='x'", False),
        ("extra == 'x' and extra == 'y'", False),
    ],
)
def test_a_requirement_counts_where_its_marker_holds(site, marker, holds):
    site("a", requires=[f"b ; {marker}"])
    site("b")
    assert ("b" in packages.closure(["a"])) == holds


def test_an_extra_counts_where_it_is_asked_for(site):
    site("a", requires=["b[Fast,other]"])
    site("b", requires=['of-fast; extra == "fast"', 'of-slow; extra == "slow"', "plain"])
    for name in ("of-fast", "of-slow", "plain"):
        site(name)
    assert set(packages.closure(["a"])) == {"a", "b", "of-fast", "plain"}
    assert set(packages.closure(["b"])) == {"b", "plain"}


@pytest.mark.parametrize("asked", ["b[of-Tests]", "b[of_tests]", "b[of.tests]"])
def test_an_extra_has_one_name_in_every_spelling(site, asked):
    site("a", requires=[asked])
    site(
        "b", requires=["c; extra == 'Of_Tests'", "d; extra == 'of-test'", "e; extra == 'tests' or python_version > '3'"]
    )
    for name in "cde":
        site(name)
    assert set(packages.closure(["a"])) == set(packages.closure([asked])) | {"a"} == set("abce")


def test_an_extra_may_ask_for_another_of_the_same_package(site):
    site("a", requires=["b[all]"])
    site("b", requires=['b[x]; extra == "all"', 'c; extra == "x"'])
    site("c")
    assert set(packages.closure(["a"])) == {"a", "b", "c"}


def test_a_requirement_that_breaks_the_rules_counts(site):
    site("a", requires=["b >=1.0.*,<what", "c"])
    site("b")
    site("c")
    assert set(packages.closure(["a"])) == {"a", "b", "c"}


def test_the_first_on_the_search_path_is_the_one_in_use(site, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "later")])
    site("a", "1.0")
    site("a", "2.0", where=tmp_path / "later")
    site("b", "3.0", where=tmp_path / "later")
    assert packages.closure(["a", "b"]) == {"a": "1.0", "b": "3.0"}


def test_a_removal_that_was_interrupted_leaves_nothing(site, tmp_path):
    site("a", requires=["b"])
    (tmp_path / "site-packages" / "b-1.0.dist-info").mkdir()
    assert packages.closure(["a"]) == {"a": "1.0"}


def test_an_egg_is_read_too(site, tmp_path):
    egg = tmp_path / "site-packages" / "old-0.1.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 0.1\n")
    (egg / "requires.txt").write_text("b\n\n[x]\nc\n")
    site("b")
    site("c")
    assert packages.closure(["old"]) == {"old": "0.1", "b": "1.0"}


def test_headers_may_be_folded(site, tmp_path):
    site("a")
    path = tmp_path / "site-packages" / "a-1.0.dist-info" / "METADATA"
    path.write_text("Name: a\r\nVersion: 1.0\r\nRequires-Dist: b;\r\n  python_version < '3'\r\n\r\nreadme")
    site("b")
    assert set(packages.closure(["a"])) == {"a"}


@pytest.mark.parametrize(
    ("module", "holders"),
    [
        ("solid", {"solid"}),
        ("solid.part.Class", {"solid"}),
        ("single", {"single"}),
        ("compiled", {"compiled"}),
        ("google.protobuf", {"protobuf"}),
        ("google.protobuf.text_format", {"protobuf"}),
        ("google.cloud.storage.Client", {"google-cloud-storage"}),
        ("google.cloud", {"google-cloud-storage"}),
        ("google", {"protobuf", "google-cloud-storage", "google-auth"}),
        ("soli", set()),
        ("nothing.at.all", set()),
        ("json", set()),
        ("xml.etree", set()),
        ("__future__", set()),
    ],
)
def test_a_module_is_held_by_who_installed_it(site, module, holders):
    site("solid", files=["solid/__init__.py", "solid/part/__init__.py", "json/__init__.py"])
    site("solid-plugin", files=["solid/plugins/more.py", "solid_plugin/__init__.py"])  # within another's package
    site("single", files=["single.py"])
    site("compiled", files=["compiled.cpython-310-x86_64-linux-gnu.so"])
    site("protobuf", files=["google/protobuf/__init__.py", "google/protobuf/text_format.py"])
    site("google-auth", files=["google/auth/__init__.py"])
    site("google-cloud-storage", files=["google/cloud/storage/__init__.py"])
    assert packages.providing([module]) == holders


def test_modules_of_several_packages(site):
    site("A", files=["a/__init__.py"])
    site("b", files=["b.py"])
    assert packages.providing(["a.x", "b", "os"]) == {"a", "b"}
    assert packages.providing([]) == frozenset()


def test_the_runtime_is_what_the_project_requires(site):
    site("sae_pipeline", requires=["tfx"])
    site("tfx", "1.16.0", requires=["numpy"])
    site("numpy", "1.26.4")
    site("ruff")
    assert packages.installed_runtime() == {"numpy": "1.26.4", "tfx": "1.16.0"}


def test_where_the_project_is_not_installed_the_lock_says_what_it_needs(site, tmp_path, monkeypatch):
    lock = tmp_path / "requirements.txt"
    lock.write_text("# comment\ntfx==1.16.0 ; python_full_version < '3.11' \\\n    --hash=sha256:0\n    # via numpy\n")
    monkeypatch.setattr(packages, "LOCK", lock)
    site("tfx", "1.16.0", requires=["unlocked"])
    site("unlocked", "2.0")
    site("ruff")
    assert packages.installed_runtime() == {"tfx": "1.16.0", "unlocked": "2.0"}


def test_with_neither_all_that_is_installed_counts(site, tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "LOCK", tmp_path / "missing")
    site("tfx", "1.16.0")
    site("ruff", "0.1")
    assert packages.installed_runtime() == {"ruff": "0.1", "tfx": "1.16.0"}


def test_the_real_packages():
    runtime = packages.installed_runtime()
    assert {name: runtime[name] for name in ("tfx", "numpy", "protobuf", "click")} == {
        name: importlib.metadata.version(name) for name in ("tfx", "numpy", "protobuf", "click")
    }
    assert {"ruff", "mypy", "pytest", "uv", "import-linter", "sae-pipeline"}.isdisjoint(runtime)
    assert packages.closure(["tfx"]).items() <= runtime.items()


def test_real_namespaces():
    assert packages.providing(["google.protobuf.wrappers_pb2.BoolValue"]) == {"protobuf"}
    assert packages.providing(["tensorflow"]) == {"tensorflow"}
    assert packages.providing(["sklearn", "PIL.Image"]) == {"scikit-learn", "pillow"}


def test_answers_that_were_kept_are_those_found_anew(site, tmp_path):
    site("a", "1.0", ["b"], ["a/__init__.py"])
    site("b", "2.0", files=["b.py"])
    found = []
    for _ in range(2):
        with remembered.in_file(tmp_path / "answers.json", write=True):
            found.append((packages.closure(["a"]), packages.providing(["a.x", "b", "os"])))
        packages._installed.cache_clear()
    assert found == [({"a": "1.0", "b": "2.0"}, frozenset({"a", "b"}))] * 2
    site("c", "1.0", ["a"])
    with remembered.in_file(tmp_path / "answers.json", write=True):
        assert packages.closure(["c"]) == {"a": "1.0", "b": "2.0", "c": "1.0"}
