"""Packages that are imported when they are used. In processes of their own, because pytest's has most of them."""

from __future__ import annotations

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
