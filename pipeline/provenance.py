"""Digests of what a result was made from: the data set's files, and our own code."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import pathlib

_PACKAGE = "components"


def fingerprint(folder: pathlib.Path) -> str:
    """Digest of the names and bytes of all files in a folder, SHA-256 in hex: not of times or places."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(file_digest(path).encode())
    return digest.hexdigest()


def file_digest(path: pathlib.Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def code_digest(module: str) -> str:
    """Digest of a module of `components` and of all modules of that package that it imports, at any depth.

    Files that lie beside a module under its name, such as a template, count as part of it.
    """
    digest = hashlib.sha256()
    for name in sorted(_reachable(module, frozenset())):
        source = _source(name)
        for path in sorted(source.parent.glob(f"{source.stem}.*")):
            digest.update(f"{name}\0{path.suffix}\0{file_digest(path)}\0".encode())
    return digest.hexdigest()


def _reachable(module: str, seen: frozenset[str]) -> frozenset[str]:
    seen |= {module}
    for name in _imports(module):
        if name not in seen:
            seen |= _reachable(name, seen)
    return seen


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    """Modules of `components` that `module` imports, read from its source: nothing is run."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(_source(module).read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return tuple(sorted(name for name in found if name.startswith(f"{_PACKAGE}.") and _is_module(name)))


def _is_module(name: str) -> bool:
    return _source(name).is_file()


@functools.cache
def _root() -> str:
    spec = importlib.util.find_spec(_PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    return next(iter(spec.submodule_search_locations))


def _source(module: str) -> pathlib.Path:
    return pathlib.Path(_root()) / (module.partition(".")[2].replace(".", "/") + ".py")
