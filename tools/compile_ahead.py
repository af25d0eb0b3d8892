"""Compile the modules that `sae run` imports on .venv's Python, while the run imports them.

`bootstrap.py start` starts this. It follows the imports in compiled code, and runs none of it. It begins with what a
run imports last, so that the two compile different modules until they meet; then all is compiled. It compiles a few
modules too many, such as those that only other systems import.
"""

from __future__ import annotations

import importlib.machinery
import modulefinder
import os
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from pipeline.orchestration import imports  # noqa: E402

# What a run imports, in its order, but for the command itself, which is needed at once; of folders all modules.
STARTS = (
    "tensorflow",
    "tf_keras",
    "apache_beam",
    "tfx.orchestration.portable.launcher",
    "tensorflow_datasets.public_api",
    "tensorflow_data_validation",
    "tensorflow_model_analysis",
    "tensorflow_transform.beam",
    "tensorboard.summary.v2",
    "components",
    "pipeline.sparse_autoencoder",
    "pipeline.cli.run",
)
IMPORTS_IN_FUNCTIONS = ("pipeline.sparse_autoencoder.",)  # or by texts
# What is imported in `if TYPE_CHECKING` or put off by the library itself; as in `imports.rarely_used`.
NOT_IMPORTED = {
    "dns": False,
    "httpx": False,
    "markdown_it": False,
    "pytest": False,
    "sqlalchemy": False,
    "tensorflow_datasets": True,
}
_FINDER = modulefinder.ModuleFinder()
_DOTTED = re.compile(r"[a-z_]\w*(\.\w+)+")  # names components of nodes


class Compiler:
    """Compiles modules and what they import, each once.

    Attributes:
      found: folders of the modules in each module or package, in the order of imports; None: there is no such module.
      later: packages that are not compiled yet.
      postponed: names of modules in them.
    """

    def __init__(self, path: Sequence[str], rarely_used: Mapping[str, bool]) -> None:
        """`path`: folders that contain modules, as in `sys.path`; `rarely_used`: as from `imports.rarely_used`."""
        self.found: dict[str, Sequence[str] | None] = {"": path}
        self.rarely_used = rarely_used
        self.later: set[str] = set()
        self.postponed: list[str] = []

    def compile_all(self, starts: Sequence[str]) -> None:
        """Compile modules and all that they import, the last first, and in it no package of those before it."""
        for number in reversed(range(len(starts))):
            self.later = {start.partition(".")[0] for start in starts[:number]} - {starts[number].partition(".")[0]}
            self.compile(starts[number])
            for file in sorted((ROOT / starts[number].replace(".", "/")).rglob("*.py")):
                self.compile(".".join(file.relative_to(ROOT).with_suffix("").parts))
        self.later = set()
        for name in self.postponed:
            self.compile(name)

    def compile(self, name: str) -> bool:
        """Compile a module, the packages that contain it, and all that they import. Return whether it exists."""
        if name.partition(".")[0] in self.later:
            self.postponed.append(name)
            return True
        if name in self.found:
            return self.found[name] is not None
        package, _, last = name.rpartition(".")
        self.compile(package)
        if name in self.found:  # the package imports it
            return self.found[name] is not None
        file, inside = _source(last, self.found[package] or ())
        only_parts = self.rarely_used.get(name)
        self.found[name] = None if only_parts is False else inside
        if not file or only_parts is not None:
            return self.found[name] is not None
        try:
            # As an import does: it reads compiled code, or compiles the source and writes the result.
            code = importlib.machinery.SourceFileLoader(name, file).get_code(name)
        except (OSError, SyntaxError, UnicodeDecodeError, ValueError):  # the import says what is wrong
            return True
        assert code, "only modules built into Python have none"
        for imported, members in _imports(code, name if inside else package, name.startswith(IMPORTS_IN_FUNCTIONS)):
            if self.compile(imported):
                for member in members:
                    self.compile(f"{imported}.{member}")
        return True


def _source(name: str, folders: Sequence[str]) -> tuple[str, Sequence[str] | None]:
    """Return the file of a module without its package's name, "" for a package without one, and folders inside it."""
    for folder in folders:
        place = os.path.join(folder, name)
        if os.path.isfile(file := os.path.join(place, "__init__.py")):
            return file, [place]
        if os.path.isfile(file := f"{place}.py"):
            return file, []
    spaces = [place for folder in folders if os.path.isdir(place := os.path.join(folder, name))]
    return "", spaces or None


def _imports(code: types.CodeType, package: str, in_functions: bool) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield names of modules that code imports, and of what is imported from each, which may be modules.

    Args:
      code: of a module or function.
      package: to which relative imports are relative.
      in_functions: whether to look into functions, and at texts that may name a module or something in it.
    """
    for kind, found in _FINDER.scan_opcodes(code):
        if kind == "absolute_import":
            yield found[1], [member for member in found[0] or () if member != "*"]
        elif kind == "relative_import":
            level, members, name = found
            base = package.rsplit(".", level - 1)[0] if level > 1 else package
            yield ".".join(filter(None, (base, name))), [member for member in members or () if member != "*"]
    if in_functions:
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                yield from _imports(constant, package, in_functions)
            elif isinstance(constant, str) and _DOTTED.fullmatch(constant):
                yield constant, ()


def main() -> None:
    """Compile what a run imports."""
    os.nice(10)  # the run comes first
    Compiler(sys.path, NOT_IMPORTED | imports.rarely_used()).compile_all(STARTS)


if __name__ == "__main__":
    main()
