"""What code a node runs: which files, and which distributions they import."""

from __future__ import annotations

import hashlib
import os

import pytest

from pipeline.core.errors import UsageError
from pipeline.provenance import packages, source_code


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes files of a package `components`; a name is a path in it."""
    package = tmp_path / "components"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(source_code, "_package_parent", lambda name: package.parent if name == "components" else None)

    def write(files):
        for name, text in files.items():
            path = package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


def test_each_file_is_named_from_the_project_and_digested(project):
    project({"a.py": "abc = 1", "other.py": ""})
    assert source_code.files("components.a") == {
        # SHA-256 of nothing, and of `abc = 1`, by sha256sum.
        "components/__init__.py": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "components/a.py": "61cfa85e2588a31b92d4738e77a79082db9422d7a10e2607dd2320a16b4c70b2",
    }


def test_imports_count_at_any_depth(project):
    project(
        {
            "a.py": "from components import b\nimport os",
            "b.py": "def f():\n    import components.c",
            "c.py": "X = 1",
            "other.py": "",
        }
    )
    assert sorted(source_code.files("components.a")) == [
        "components/__init__.py",
        "components/a.py",
        "components/b.py",
        "components/c.py",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "import components.b",
        "import components.b as short",
        "import os, components.b",
        "from components import b",
        "from components import b as short",
        "from components import features, b",
        "from components.b import x",
        "from components.b import *",
        "from . import b",
        "from .b import x",
        "if True:\n    from components.b import x",
        "def f():\n    from .b import x",
        "try:\n    import components.b\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    import components.b",
        "try:\n    pass\nfinally:\n    import components.b",
        "for _ in ():\n    pass\nelse:\n    import components.b",
        "class A:\n    with open(__file__):\n        while True:\n            import components.b",
        "match 1:\n    case 1:\n        async def f():\n            import components.b",
    ],
)
def test_every_way_to_import_a_module_is_seen(project, statement):
    project({"a.py": statement, "b.py": "x = 1"})
    assert source_code.files("components.a")["components/b.py"] == sha256("x = 1")


def test_an_inner_package_counts_with_what_lies_around_it(project):
    project(
        {
            "a.py": "import components.inner.deep.leaf",
            "inner/__init__.py": "from components import used_by_inner",
            "inner/deep/__init__.py": "",
            "inner/deep/leaf.py": "from ..beside import x\nfrom ... import top",
            "inner/beside.py": "",
            "inner/unused.py": "",
            "used_by_inner.py": "",
            "top.py": "",
        }
    )
    assert sorted(source_code.files("components.a")) == [
        "components/__init__.py",
        "components/a.py",
        "components/inner/__init__.py",
        "components/inner/beside.py",
        "components/inner/deep/__init__.py",
        "components/inner/deep/leaf.py",
        "components/top.py",
        "components/used_by_inner.py",
    ]


def test_in_a_package_a_relative_import_is_from_the_package_itself(project):
    project({"inner/__init__.py": "from .part import x", "inner/part.py": "", "part.py": ""})
    assert "components/inner/part.py" in source_code.files("components.inner")
    assert "components/part.py" not in source_code.files("components.inner")


def test_what_the_packages_own_file_imports_counts_for_every_module(project):
    project({"__init__.py": "from components import b", "a.py": "", "b.py": ""})
    assert "components/b.py" in source_code.files("components.a")


def test_a_name_that_is_no_module_is_found_in_the_module_around_it(project):
    project({"a.py": "from components.b import function", "b.py": "def function(): ..."})
    assert sorted(source_code.files("components.a")) == ["components/__init__.py", "components/a.py", "components/b.py"]


def test_modules_that_import_each_other_come_to_an_end(project):
    project({"a.py": "import components.b", "b.py": "import components.a"})
    assert source_code.files("components.a") == source_code.files("components.b")


def test_an_edited_helper_changes_only_those_that_import_it(project):
    project({"user.py": "from components import helper", "helper.py": "X = 1", "stranger.py": ""})
    before = {name: source_code.files(f"components.{name}") for name in ("user", "helper", "stranger")}
    project({"helper.py": "X = 2"})
    after = {name: source_code.files(f"components.{name}") for name in before}
    assert {name for name in before if before[name] != after[name]} == {"user", "helper"}
    project({"helper.py": "X = 1"})
    assert source_code.files("components.user") == before["user"]


def test_an_import_that_is_added_is_seen_at_once(project):
    project({"a.py": "", "b.py": ""})
    assert "components/b.py" not in source_code.files("components.a")
    project({"a.py": "import components.b"})
    assert "components/b.py" in source_code.files("components.a")


def test_files_beside_a_module_under_its_name_are_part_of_it(project):
    project({"page.py": "", "page.html": "<p>", "page.css": "", "page_other.html": "", "page.d/x.html": ""})
    assert sorted(source_code.files("components.page")) == [
        "components/__init__.py",
        "components/page.css",
        "components/page.html",
        "components/page.py",
    ]
    assert source_code.files("components.page")["components/page.html"] == sha256("<p>")


def test_what_python_or_an_editor_leaves_there_is_no_code(project):
    project({"page.py": ""})
    before = source_code.files("components.page")
    project({"page.pyc": "x", "page.py~": "x", ".page.py.swp": "x", "page.py.orig": "x", "__pycache__/page.py": "x"})
    assert source_code.files("components.page") == before


@pytest.mark.parametrize("module", ["components.nothing", "pipeline.provenance.source_code", "json"])
def test_a_module_that_components_does_not_have_is_an_error(project, module):
    for function in (source_code.files, source_code.distributions):
        with pytest.raises(UsageError, match=module):
            function(module)


def test_a_module_outside_a_package_is_an_error(tmp_path, monkeypatch):
    """Which of the modules beside it are code of the node cannot be told."""
    (tmp_path / "lone_module.py").write_text("X = 1")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="lone_module"):
        source_code.files("lone_module")


def test_distributions_are_asked_for_by_the_full_names_of_foreign_imports(project, monkeypatch):
    asked = []
    monkeypatch.setattr(packages, "providing", lambda modules: frozenset(asked.extend(modules) or ["found"]))
    project(
        {
            "a.py": "import numpy as np\nfrom components import b\nfrom . import c",
            "b.py": "def f():\n    from google.protobuf import text_format",
            "c.py": "from rich import *",
            "stranger.py": "import torch",
        }
    )
    assert source_code.distributions("components.a") == {"found"}
    assert sorted(asked) == ["google.protobuf.text_format", "numpy", "rich"]


def test_the_real_trainer():
    files = source_code.files("components.model.run_fn")
    assert {"components/__init__.py", "components/model/run_fn.py", "components/model/train_loop.py"} <= files.keys()
    assert {"components/report/component.py", "components/report/page.html", "components/push/pusher.py"}.isdisjoint(
        files
    )
    assert source_code.distributions("components.model.run_fn") >= {
        "numpy",
        "tensorflow",
        "tensorflow-transform",
        "tf-keras",
    }


def test_the_real_reports_template_is_part_of_it():
    assert "components/report/page.html" in source_code.files("components.report.component")
    assert "components/report/page.html" not in source_code.files("components.push.pusher")


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """A whole project."""
    for name in (
        "components/a.py",
        "components/schemas/mnist.pbtxt",
        "pipeline/provenance/source_code.py",
        "pipeline_config.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(source_code, "PROJECT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "components/a.py",
        "components/schemas/mnist.pbtxt",
        "pipeline/provenance/source_code.py",
        "pipeline_config.py",
        "pipeline/new.py",
    ],
)
def test_the_projects_digest_changes_with_every_file(whole, name):
    before = source_code.project_digest()
    (whole / name).write_text("2")
    assert source_code.project_digest() != before


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "tests/test_a.py",
        "pipeline/__pycache__/code.pyc",
        "pipeline/__pycache__/page.html.cpython-310",
        "pipeline/.code.py.swp",
        "pipeline/provenance/source_code.py~",
    ],
)
def test_the_projects_digest_is_of_code_alone(whole, name):
    before = source_code.project_digest()
    (whole / name).parent.mkdir(exist_ok=True)
    (whole / name).write_text("2")
    assert source_code.project_digest() == before


def test_files_are_read_once_while_the_context_lasts(project):
    project({"a.py": "import components.b", "b.py": "x = 1"})
    with source_code.read_once():
        before = source_code.files("components.a")
        with source_code.read_once():
            project({"b.py": "x = 2", "c.py": ""})
            assert source_code.files("components.a") == before
        assert source_code.files("components.a") == before
    assert source_code.files("components.a")["components/b.py"] == sha256("x = 2")


def test_names_that_only_begin_alike_are_no_parts_of_a_module(project):
    project({"a.py": "", "a": "", "a.b.py": "", "ab.py": "", "a.txt": ""})
    assert sorted(source_code.files("components.a")) == [
        "components/__init__.py",
        "components/a.py",
        "components/a.txt",
    ]


def test_a_file_that_changed_since_it_was_read_is_named_also_while_files_are_read_once(project, tmp_path):
    project({"a.py": "import components.b, components.c", "b.py": "x = 1", "c.py": ""})
    with source_code.read_once():
        read = source_code.files("components.a")
        assert source_code.changed_since(read) == []
        project({"b.py": "x = 2"})
        (tmp_path / "components" / "c.py").unlink()
        assert source_code.changed_since(read) == ["components/b.py", "components/c.py"]


def test_an_edit_that_was_undone_counts_while_files_are_read_once(project, tmp_path):
    project({"a.py": "import components.b", "b.py": "x = 1"})
    edited = tmp_path / "components" / "b.py"
    with source_code.read_once():
        read = source_code.files("components.a")
        before = edited.stat()
        for text in ("x = 2", "x = 1"):
            edited.write_text(text)
        os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert source_code.changed_since(read) == ["components/b.py"]
    assert source_code.changed_since(read) == []  # nobody knows when they were read


def test_a_file_written_since_the_process_imported_it_counts_as_changed(project, tmp_path, monkeypatch):
    project({"a.py": "import components.b", "b.py": "x = 1"})
    written = (tmp_path / "components" / "b.py").stat().st_ctime
    read = source_code.files("components.a")
    monkeypatch.setattr(source_code, "_imported_at", source_code._imported_at)
    source_code.imported_at(written + 1)
    assert source_code.changed_since(read) == []
    source_code.imported_at(written)
    assert "components/b.py" in source_code.changed_since(read)
