"""What code a node runs: which files, and which distributions they import."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys

import pytest

from pipeline.core.errors import UsageError
from pipeline.core.project import PROJECT
from pipeline.provenance import cache_key, packages, remembered, source_code
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.second_pipeline import definition as second_pipeline


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes files of a package `components`; a name is a path in it."""
    package = tmp_path / "components"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(source_code, "_places", lambda top: (str(package),) if top == "components" else ())

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
    """Which of the files beside it are part of it cannot be told."""
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


# --- code of one's own beside the package of the node ---------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes files of a checkout, which Python searches first, and of a folder for installed packages."""
    for folder in ("site-packages", "checkout"):
        (tmp_path / folder).mkdir()
        monkeypatch.syspath_prepend(tmp_path / folder)

    def write(files, folder="checkout"):
        for name, text in files.items():
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        importlib.invalidate_caches()

    write({"my_nodes/__init__.py": ""})
    return write


def metadata_of(name, *files, kind="dist-info"):
    """The files of a distribution's metadata, which list its files."""
    headers = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    if kind == "dist-info":
        return {
            f"{name}-1.0.dist-info/METADATA": headers,
            f"{name}-1.0.dist-info/RECORD": "".join(f"{file},sha256=x,1\n" for file in files),
        }
    return {f"{name}.egg-info/PKG-INFO": headers, f"{name}.egg-info/SOURCES.txt": "\n".join(files)}


def test_another_package_of_ones_own_counts_by_the_modules_that_are_imported(own):
    own({"my_nodes/train.py": "from my_lib.helpers import f"})
    own({"my_lib/__init__.py": "", "my_lib/helpers.py": "from . import more", "my_lib/more.py": "", "my_lib/no.py": ""})
    before = source_code.files("my_nodes.train")
    assert sorted(before) == [
        "my_lib/__init__.py",
        "my_lib/helpers.py",
        "my_lib/more.py",
        "my_nodes/__init__.py",
        "my_nodes/train.py",
    ]
    own({"my_lib/more.py": "x = 2"})
    assert source_code.files("my_nodes.train") == {**before, "my_lib/more.py": sha256("x = 2")}


def test_what_code_of_ones_own_imports_counts_in_turn(own):
    own({"my_nodes/train.py": "import my_lib", "my_lib/__init__.py": "import my_other.part"})
    own({"my_other/part.py": "import numpy", "my_other/unused.py": ""})  # a package without `__init__.py`
    assert "my_other/part.py" in source_code.files("my_nodes.train")
    assert "my_other/unused.py" not in source_code.files("my_nodes.train")
    assert source_code.distributions("my_nodes.train") == {"numpy"}


def test_a_module_outside_packages_counts_without_what_lies_beside_it(own):
    own(
        {"my_nodes/train.py": "import my_helpers", "my_helpers.py": "x = 1", "my_helpers.log": "", "my_helpers.csv": ""}
    )
    assert source_code.files("my_nodes.train").keys() - {"my_nodes/__init__.py", "my_nodes/train.py"} == {
        "my_helpers.py"
    }
    assert source_code.files("my_nodes.train")["my_helpers.py"] == sha256("x = 1")


def test_a_change_of_code_of_ones_own_is_noticed_while_a_node_runs(own, tmp_path):
    own({"my_nodes/train.py": "import my_lib.a, my_helpers", "my_lib/a.py": "", "my_helpers.py": ""})
    read = source_code.files("my_nodes.train")
    assert source_code.changed_since(read) == []
    own({"my_lib/a.py": "x = 1"})
    (tmp_path / "checkout" / "my_helpers.py").unlink()
    assert source_code.changed_since(read) == ["my_helpers.py", "my_lib/a.py"]


def test_an_installed_package_counts_by_its_version(own):
    own({"my_nodes/train.py": "import my_lib.helpers"})
    own({"my_lib/__init__.py": "", "my_lib/helpers.py": ""}, "site-packages")
    own(metadata_of("my-lib", "my_lib/__init__.py", "my_lib/helpers.py"), "site-packages")
    assert sorted(source_code.files("my_nodes.train")) == ["my_nodes/__init__.py", "my_nodes/train.py"]
    assert source_code.distributions("my_nodes.train") == {"my-lib"}


def test_a_package_that_was_installed_into_a_folder_counts_by_its_version(own):
    """As `pip install --target` does."""
    own({"my_nodes/train.py": "import my_lib", "my_lib.py": "", **metadata_of("my-lib", "my_lib.py")})
    assert "my_lib.py" not in source_code.files("my_nodes.train")
    assert source_code.distributions("my_nodes.train") == {"my-lib"}


@pytest.mark.parametrize("folder", ["checkout", "site-packages"])
def test_an_egg_counts_by_its_version_only_where_packages_are_installed(own, folder):
    own({"my_nodes/train.py": "import my_lib"})
    own({"my_lib.py": "", **metadata_of("my-lib", "my_lib.py", kind="egg-info")}, folder)
    assert ("my_lib.py" in source_code.files("my_nodes.train")) == (folder == "checkout")
    assert source_code.distributions("my_nodes.train") == (set() if folder == "checkout" else {"my-lib"})


def test_an_editable_install_counts_by_its_files(own):
    own({"my_nodes/train.py": "import my_lib.helpers", "my_lib/__init__.py": "", "my_lib/helpers.py": "x = 1"})
    own(metadata_of("my-lib", "__editable__.my_lib-1.0.pth"), "site-packages")
    assert source_code.files("my_nodes.train")["my_lib/helpers.py"] == sha256("x = 1")
    assert source_code.distributions("my_nodes.train") == frozenset()


def test_an_editable_install_may_have_its_package_in_a_folder_of_another_name(own, tmp_path, monkeypatch):
    own({"my_nodes/train.py": "import my_lib.helpers", "src/__init__.py": "", "src/helpers.py": "x = 1"})
    folder = tmp_path / "checkout" / "src"

    class Finder:  # as setuptools puts into site-packages
        @staticmethod
        def find_spec(name, path=None, target=None):
            file, options = folder / "__init__.py", {"submodule_search_locations": [str(folder)]}
            return importlib.util.spec_from_file_location(name, file, **options) if name == "my_lib" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    read = source_code.files("my_nodes.train")
    assert read.keys() >= {"my_lib/__init__.py", "my_lib/helpers.py"}
    assert source_code.changed_since(read) == []


def test_a_module_that_a_finder_takes_from_a_file_of_another_name_is_none_of_ones_own(own, tmp_path, monkeypatch):
    """As that of setuptools takes `distutils` from a package of its own."""
    own({"my_nodes/train.py": "import my_alias.version"})
    own({"theirs/_alias/__init__.py": "", **metadata_of("theirs", "theirs/_alias/__init__.py")}, "site-packages")
    file = str(tmp_path / "site-packages" / "theirs" / "_alias" / "__init__.py")

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return importlib.util.spec_from_loader(name, None, origin=file) if name == "my_alias" else None

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    assert sorted(source_code.files("my_nodes.train")) == ["my_nodes/__init__.py", "my_nodes/train.py"]


def test_what_was_copied_beside_installed_packages_counts_by_its_files(own):
    own({"my_nodes/train.py": "import my_lib"})
    own({"my_lib.py": "x = 1"}, "site-packages")
    assert source_code.files("my_nodes.train")["my_lib.py"] == sha256("x = 1")


def test_of_a_namespace_a_part_of_ones_own_counts_by_its_files_and_an_installed_one_by_its_version(own):
    own({"my_nodes/train.py": "import my_company.mine\nfrom my_company.theirs import f", "my_company/mine.py": ""})
    own({"my_company/theirs.py": "", **metadata_of("theirs", "my_company/theirs.py")}, "site-packages")
    assert "my_company/mine.py" in source_code.files("my_nodes.train")
    assert "my_company/theirs.py" not in source_code.files("my_nodes.train")
    assert source_code.distributions("my_nodes.train") == {"theirs"}


def test_nothing_is_imported_to_find_code_of_ones_own(own):
    own({"my_nodes/train.py": "import my_lib.helpers", "my_lib/__init__.py": "1 / 0", "my_lib/helpers.py": "1 / 0"})
    assert "my_lib/helpers.py" in source_code.files("my_nodes.train")
    assert "my_lib" not in sys.modules


def test_what_a_library_does_to_its_search_path_when_it_is_imported_changes_nothing(own, tmp_path, monkeypatch):
    """TensorFlow appends folders to `__path__`, and others insert folders into `sys.path`."""
    own({"my_nodes/train.py": "import my_library.part, my_module"})
    own({"my_library/__init__.py": "", "my_library/part.py": "", "my_module.py": ""}, "site-packages")
    own(metadata_of("my-library", "my_library/__init__.py", "my_library/part.py", "my_module.py"), "site-packages")
    own({"my_library/__init__.py": "", "my_module.py": ""}, "inner")
    with remembered.in_file(tmp_path / "answers.json", write=False):
        before = source_code.files("my_nodes.train")
        importlib.import_module("my_library").__path__.append(str(tmp_path / "inner" / "my_library"))
        monkeypatch.syspath_prepend(tmp_path / "inner")
        assert source_code.files("my_nodes.train") == before
        assert source_code.distributions("my_nodes.train") == {"my-library"}
    del sys.modules["my_library"]


def test_code_that_python_cannot_import_counts_by_its_bytes(own):
    own({"my_nodes/train.py": "try:\n    import my_old\nexcept SyntaxError:\n    pass", "my_old.py": "print 1"})
    assert source_code.files("my_nodes.train")["my_old.py"] == sha256("print 1")


def test_a_module_that_works_inside_and_outside_a_package(own):
    own({"my_nodes/train.py": "import my_both", "my_part.py": ""})
    own({"my_both.py": "try:\n    from .my_part import x\nexcept ImportError:\n    from my_part import x"})
    assert source_code.files("my_nodes.train").keys() >= {"my_both.py", "my_part.py"}


# --- the real pipelines ----------------------------------------------------------------------


def test_the_code_of_the_second_pipeline_is_recorded_as_ever():
    """A change of this without one of its files runs every node of every pipeline of one's own once more."""
    common = {
        "tests/__init__.py": "2fb3892db29884a772e11a601e982afda29ff12449ef042abd272b66a7439670",
        "tests/second_pipeline/__init__.py": "806ccb258b174d05e89e1126301f0eaa26db3123ce817110951b1c8fe3576680",
    }
    example_gen = "3d037d7add3344d1aba9eb4155315a26d8c122f43d91e860b8a5c76e84d61ecf"
    trainer = "18737becbf15ad61bcd01b6202a632527c229ef034312abf4153afec05bc8401"
    assert cache_key.code_of_nodes(second_pipeline.PIPELINE.nodes) == {
        "CsvExampleGen": {**common, "tests/second_pipeline/csv_example_gen.py": example_gen},
        "LineTrainer": {**common, "tests/second_pipeline/trainer.py": trainer},
    }
    assert source_code.distributions("tests.second_pipeline.trainer") == {"tensorflow", "tfx"}


def test_the_code_of_this_projects_pipeline_is_recorded_as_ever():
    code = cache_key.code_of_nodes(PIPELINE.nodes)
    assert sorted(code["DataGate"]) == [
        "components/__init__.py",
        "components/artifact_types.py",
        "components/data/__init__.py",
        "components/data/data_gate.py",
        "components/errors.py",
    ]
    assert sorted(code["Transform"]) == [
        "components/__init__.py",
        "components/data/__init__.py",
        "components/data/features.py",
        "components/data/preprocessing.py",
        "pipeline/__init__.py",
        "pipeline/orchestration/__init__.py",
        "pipeline/orchestration/tfx/__init__.py",
        "pipeline/orchestration/tfx/examples_by_file.py",
        "pipeline/orchestration/tfx/mean_and_variance.py",
        "pipeline/orchestration/tfx/ordered_sums.py",
    ]
    assert {path.partition("/")[0] for files in code.values() for path in files} == {"components", "pipeline"}
    assert all((PROJECT / path).is_file() for files in code.values() for path in files)


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
