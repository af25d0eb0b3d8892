"""Packages that are imported when they are used. In processes of their own, because pytest's has most of them."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from pipeline.core import late_import
from tests import PROJECT

START = "import sys\nfrom pipeline.core import late_import\nlate_import.on_first_use('wave')\nimport wave\n"


def printed(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    return done.stdout.split()


def test_an_import_alone_does_not_import():
    assert printed(START + "print('_WAVE_FORMAT' in dir(wave), 'chunk' in sys.modules, type(wave).__module__)") == [
        "False", "False", "pipeline.core.late_import",
    ]  # fmt: skip


@pytest.mark.parametrize("use", ["wave.Wave_read", "from wave import Wave_read"])
def test_the_first_use_imports(use):
    assert printed(START + use + "\nimport wave\nprint(wave.Wave_read.__name__, type(wave).__name__)") == [
        "Wave_read", "module",
    ]  # fmt: skip


def test_python_itself_finds_the_module_of_an_object_without_an_import():
    code = "import inspect\ninspect.getmodule(compile('', 'x', 'exec'))\nprint(type(sys.modules['wave']).__name__)"
    assert printed(START + code) == ["_Placeholder"]


def test_a_part_of_a_package_can_be_imported():
    code = "late_import.on_first_use('xml')\nimport xml.dom\nprint(xml.dom.__name__, sys.modules['xml'].__name__)"
    assert printed(START + code) == ["xml.dom", "xml"]


def test_a_part_of_a_package_is_imported_without_the_package_and_stays_its_part():
    code = (
        "late_import.on_first_use('xml', only_parts=True)\nimport xml.dom\n"
        "print(type(xml).__name__, len(xml.__all__))\nimport xml\nprint(type(xml).__name__, xml.dom.__name__)"
    )
    assert printed(START + code) == ["_Placeholder", "4", "module", "xml.dom"]


def test_a_part_is_imported_from_the_package_without_it() -> None:
    code = (
        "late_import.on_first_use('xml', only_parts=True)\nfrom xml import dom\n"
        "print(dom.__name__, type(sys.modules['xml']).__name__)\nfrom xml import __all__\n"
        "print(len(__all__), type(sys.modules['xml']).__name__)"
    )
    assert printed(START + code) == ["xml.dom", "_Placeholder", "4", "module"]


def test_a_known_attribute_needs_no_import_and_is_then_that_of_the_module() -> None:
    code = (
        "late_import.on_first_use('xml', only_parts=True, __all__=[])\nimport xml\nfrom xml import __all__\n"
        "print(len(__all__), type(xml).__name__)\nxml.__path__, xml.none if hasattr(xml, 'none') else 0\nimport xml\n"
        "print(len(xml.__all__), type(xml).__name__)"
    )
    assert printed(START + code) == ["0", "_Placeholder", "4", "module"]


def test_what_was_bound_before_the_first_use_is_the_module() -> None:
    code = (
        "import importlib\nkept = wave\nkept.Wave_read\nimport wave\nkept.mark = 7\n"
        "print(kept is wave, wave.mark, importlib.reload(kept) is wave)"
    )
    assert printed(START + code) == ["True", "7", "True"]


def test_all_names_can_be_imported_of_a_module_that_lists_none() -> None:
    code = (
        "late_import.on_first_use('xml.dom.minidom')\nfrom xml.dom.minidom import *\n"
        "print(hasattr(sys.modules['xml.dom.minidom'], '__all__'), parseString('<a/>').firstChild.tagName)"
    )
    assert printed("import sys\nfrom pipeline.core import late_import\n" + code) == ["False", "a"]


@pytest.mark.parametrize("only_parts", [False, True])
def test_files_of_a_package_are_found_without_an_import(only_parts: bool) -> None:
    code = (
        f"late_import.on_first_use('xml', {only_parts})\n"
        "import importlib.resources, importlib.util, pkgutil, xml\n"
        "print(importlib.resources.files('xml').joinpath('__init__.py').is_file(), len(pkgutil.get_data('xml', "
        "'__init__.py')) > 0, len(importlib.util.find_spec('xml').submodule_search_locations), type(xml).__name__)"
    )
    assert printed(START + code) == ["True", "True", "1", "_Placeholder"]


def test_other_threads_find_a_module_while_it_is_imported() -> None:
    code = (
        "class Spy:\n  def find_spec(name, path, target=None):\n    print(name, name in sys.modules)\n"
        "sys.meta_path.insert(1, Spy)\nwave.Wave_read"
    )
    assert printed(START + code)[:2] == ["wave", "True"]


def test_a_module_that_imports_itself_in_a_circle_is_imported(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "__init__.py").write_text("FIRST = 1\nfrom ring import part\nLAST = 2\n")
    (tmp_path / "ring" / "part.py").write_text("import ring\nSEEN = ring.FIRST, hasattr(ring, 'LAST')\n")
    code = (
        f"sys.path.insert(0, {str(tmp_path)!r})\nlate_import.on_first_use('ring', True)\nimport ring\n"
        "print(ring.LAST, *ring.part.SEEN)"
    )
    assert printed(START + code) == ["2", "1", "False"]


def test_a_module_whose_import_fails_can_be_imported_later(tmp_path: pathlib.Path) -> None:
    (tmp_path / "odd.py").write_text("import sys\nif not hasattr(sys, 'mended'): raise ImportError('no')\nX = 1\n")
    code = (
        f"sys.path.insert(0, {str(tmp_path)!r})\nlate_import.on_first_use('odd')\nimport odd\nkept = odd\n"
        "try: odd.X\nexcept ImportError as error: print(error, 'odd' in sys.modules)\n"
        "sys.mended = True\nimport odd\nprint(odd.X, kept.X)"
    )
    assert printed(START + code) == ["no", "False", "1", "1"]


def test_what_contains_a_module_is_not_imported_for_it() -> None:
    code = (
        "late_import.on_first_use('xml.dom.minidom')\nprint('xml' in sys.modules)\nimport xml.dom.minidom\n"
        "print(type(xml.dom.minidom).__name__, xml.dom.minidom.parseString('<a/>').firstChild.tagName)\n"
        "print(type(xml.dom.minidom).__name__)"
    )
    assert printed(START + code) == ["False", "_Placeholder", "a", "module"]


def test_what_is_imported_or_not_installed_stays_as_it_is():
    before = sys.modules["subprocess"]
    late_import.on_first_use("subprocess")
    late_import.on_first_use("no_such_package")
    assert sys.modules["subprocess"] is before
    assert "no_such_package" not in sys.modules


def test_clients_of_ml_metadata_do_not_import_grpc_and_grpc_can_be_used_later():
    code = (
        "import sys\nfrom pipeline.metadata import client, sources, writer\nprint('grpc._cython' in sys.modules)\n"
        "import grpc, grpc.aio\nprint(grpc.StatusCode.OK.name, grpc.aio.__name__)"
    )
    assert printed(code) == ["False", "OK", "grpc.aio"]
