"""`sae fsck`: a root's artifacts against their digests, and ML Metadata against the disk. Nothing is written.

Memory does not grow with the root: ML Metadata is read page by page, files block by block, folders one at a time.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import fcntl
import functools
import json
import os
import pathlib
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ml_metadata as mlmd
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as pb

from components import serving_folder
from pipeline import digests, manifest, metadata, records
from pipeline.errors import ExitCode, UnavailableError
from pipeline.root import Root

SCHEMA_VERSION = 1

_PAGE = 100  # rows of ML Metadata read at once; larger pages are not faster
_LISTED = 1_000  # findings of a kind that are kept: all are counted, but a list of a million helps nobody

# What TFX keeps beside a node's outputs (tfx/orchestration/portable/outputs_utils.py).
_SYSTEM = ".system"
_IN_SYSTEM = {"executor_execution", "driver_execution", "stateful_working_dir", "orchestrator_generated_bcl"}
_PUSHED_MODEL = "PushedModel"
_MODEL_INPUT = "model"  # key under which a Pusher reads what it pushes
_UNENDED = (pb.Execution.NEW, pb.Execution.RUNNING, pb.Execution.UNKNOWN)
# States of an output that was announced, but not published.
_UNPUBLISHED = (pb.Artifact.PENDING, pb.Artifact.ABANDONED)
_OUTPUT = (pb.Event.OUTPUT, pb.Event.DECLARED_OUTPUT)
_INPUT = (pb.Event.INPUT, pb.Event.DECLARED_INPUT)
_MOST_DIGITS = 18  # of an id in ML Metadata, which has 63 bits


class Kind(str, enum.Enum):
    """What was found; those that are damage come first."""

    MISSING = "missing"
    ALTERED = "altered"
    UNREADABLE = "unreadable"
    SERVED = "served"  # the served model is not the one that was pushed
    MANIFESTS = "manifests"
    ORPHANED = "orphaned"
    UNVERIFIED = "unverified"
    OUT_OF_USE = "out_of_use"
    UNENDED = "unended"

    @property
    def is_damage(self) -> bool:
        """Whether the root is not sound because of it."""
        return self in (Kind.MISSING, Kind.ALTERED, Kind.UNREADABLE, Kind.SERVED, Kind.MANIFESTS)


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, or worth knowing.

    Attributes:
      kind: what.
      sentence: what and where, for people.
      path: the file or folder; empty for an execution.
      artifact, execution: ids in ML Metadata; None where there is none.
      node, output: who made it, and under which key; empty where that is not known.
    """

    kind: Kind
    sentence: str
    path: str = ""
    artifact: int | None = None
    execution: int | None = None
    node: str = ""
    output: str = ""

    @property
    def label(self) -> str:
        """Which artifact, for people; empty when it is about none."""
        if self.artifact is None:
            return ""
        return f"{self.node}'s {self.output}, artifact {self.artifact}" if self.node else f"artifact {self.artifact}"


@dataclasses.dataclass(frozen=True)
class Result:
    """What was looked at and found.

    Attributes:
      root: its folder.
      checked: how many artifacts, executions, manifests and files were looked at, and how many bytes were read.
      counts: findings by kind.
      findings: in the order of the kinds; of each kind no more than `_LISTED`.
    """

    root: str
    checked: Mapping[str, int]
    counts: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def damaged(self) -> int:
        """How many findings are damage."""
        return sum(self.counts[kind.value] for kind in Kind if kind.is_damage)

    @property
    def exit_code(self) -> ExitCode:
        """DONE, or GATE_FAILED on damage."""
        return ExitCode.GATE_FAILED if self.damaged else ExitCode.DONE

    @property
    def is_cut(self) -> bool:
        """Whether there are more findings than are listed."""
        return sum(self.counts.values()) > len(self.findings)

    def as_json(self) -> str:
        """The object that `--json` prints."""
        values = {
            "schema_version": SCHEMA_VERSION,
            "root": self.root,
            "sound": not self.damaged,
            "checked": self.checked,
            "counts": self.counts,
            "cut": self.is_cut,
            "findings": [{"damage": one.kind.is_damage, **dataclasses.asdict(one)} for one in self.findings],
        }
        return json.dumps(values, indent=2)

    def as_text(self) -> str:
        """For people: a line for each finding, by kind, and the sum."""
        lines = []
        for kind in Kind:
            listed = [finding for finding in self.findings if finding.kind == kind]
            if listed:
                count = self.counts[kind.value]
                lines.append(f"{kind.value.replace('_', ' ')} ({count:,}{'' if kind.is_damage else ', no damage'})")
                lines += [f"  {': '.join(filter(None, (one.label, one.sentence)))}" for one in listed]
                lines += [f"  and {count - len(listed):,} more"] if count > len(listed) else []
                lines.append("")
        notices = sum(self.counts.values()) - self.damaged
        verdict = f"{self.damaged:,} damaged" if self.damaged else "sound"
        if notices:
            verdict += f", {_counted(notices, 'notice')}"
        looked_at = f"{_counted(self.checked['artifacts'], 'artifact')}, {_counted(self.checked['files'], 'file')}"
        lines.append(f"{looked_at}, {self.checked['bytes'] / 1e6:,.1f} MB read: {verdict}")
        return "\n".join(_printable(line) for line in lines)


def check(root: Root) -> Result:
    """Looks at everything in a root.

    Raises:
      NotFoundError: there is no store in it.
      UnavailableError: the store cannot be opened or read.
    """
    metadata.open_store(root, read_only=True)  # says why, where it does not open
    try:
        return _Check(root).result()
    except (mlmd_errors.StatusError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnavailableError(
            f"{root.metadata} cannot be read to its end ({reason}): restore a copy of it; nothing was changed"
        ) from error


@dataclasses.dataclass(frozen=True)
class _Words:
    """How to speak of files that are unlike those they are held against."""

    other: str
    stranger: str


_PUBLISHED = _Words("holds other bytes than when it was published", "was not there when the artifact was published")
_PUSHED = _Words("holds other bytes than in the model that was pushed", "is not in the model that was pushed")

_Fault = tuple[Kind, str, str]  # kind, path, sentence


class _Check:
    """One look at a root."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._moved = root.moved()
        config = pb.ConnectionConfig()
        config.sqlite.filename_uri = str(root.metadata)
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READONLY
        self._store = mlmd.MetadataStore(config)
        self._checked = dict.fromkeys(("artifacts", "executions", "manifests", "files", "bytes"), 0)
        self._counts = dict.fromkeys((kind.value for kind in Kind), 0)
        self._findings: dict[Kind, list[Finding]] = collections.defaultdict(list)
        self._pushed = (0, 0)  # version of the last push, and the artifact that says so

    def result(self) -> Result:
        for artifact in _rows(self._store.get_artifacts, self._store.get_artifacts_by_id):
            self._checked["artifacts"] += 1
            self._artifact(artifact)
        # A run pushes first and publishes then: looked at in this order, a push in between is no damage.
        self._served()
        for context in _rows(self._store.get_contexts, self._store.get_contexts_by_id):
            self._manifest(context)
        for execution in _rows(self._store.get_executions, self._store.get_executions_by_id):
            self._checked["executions"] += 1
            self._execution(execution)
        self._orphans()
        findings = tuple(finding for kind in Kind for finding in self._findings[kind])
        return Result(str(self._root.path), self._checked, self._counts, findings)

    # --- artifacts -----------------------------------------------------------------------------

    def _artifact(self, artifact: pb.Artifact) -> None:
        notes = _notes(artifact.custom_properties)
        if artifact.state == pb.Artifact.LIVE:
            for kind, path, sentence in self._faults(artifact, notes):
                self._about(artifact, kind, path, sentence)
            self._note_push(artifact, notes)
        elif artifact.state not in _UNPUBLISHED:
            path = self._here(artifact.uri)
            state = pb.Artifact.State.Name(artifact.state)
            reason = notes.get(records.OUT_OF_USE) or f"no reason was noted, its state is {state}"
            self._about(artifact, Kind.OUT_OF_USE, path, f"{path} is out of use: {reason}")

    def _faults(self, artifact: pb.Artifact, notes: Mapping[str, str | int | float]) -> Iterator[_Fault]:
        """What is wrong with a live artifact."""
        uri = self._here(artifact.uri)
        folder = pathlib.Path(uri)
        if not uri:
            yield Kind.MISSING, "", "ML Metadata does not say where it lies"
        elif "://" in uri:
            yield Kind.UNVERIFIED, uri, f"{uri} is no path on a disk here, and not looked at"
        elif not notes.keys() & {digests.FILES, digests.RAW}:
            yield self._presence(folder) or (
                Kind.UNVERIFIED,
                uri,
                f"{uri} has no digests: it was written by plain TFX, or by an older version of sae",
            )
        else:
            try:
                files = _files_of(notes)
            except ValueError as error:
                yield Kind.ALTERED, uri, f"{uri} cannot be checked, its digests in ML Metadata are damaged: {error}"
                yield from filter(None, [self._presence(folder)])
                return
            if digests.of_files(files) != notes.get(digests.RAW):
                sentence = f"{uri} has a {digests.RAW} in ML Metadata that does not agree with its list of files there"
                yield Kind.ALTERED, uri, sentence
            yield from self._compare(folder, files, _PUBLISHED)

    def _presence(self, path: pathlib.Path) -> _Fault | None:
        """What is wrong with a place of which nothing is known."""
        try:
            return None if _stat(path) else (Kind.MISSING, str(path), f"{path} is missing")
        except OSError as error:
            return _unreadable(path, error)

    def _compare(self, folder: pathlib.Path, files: digests.Files, words: _Words) -> Iterator[_Fault]:
        """How a folder differs from what is noted of its files; reads all bytes."""
        try:
            found = _stat(folder)
        except OSError as error:
            yield _unreadable(folder, error)
            return
        if found is None or not stat.S_ISDIR(found.st_mode):
            yield Kind.MISSING, str(folder), f"{folder} is {'no folder' if found else 'missing'}"
            return
        for name, noted in sorted(files.items()):
            path = folder / name
            self._checked["files"] += 1
            try:
                if fault := self._compare_file(path, noted, words):
                    yield fault
            except OSError as error:
                yield _unreadable(path, error)
        yield from self._strangers(folder, files, words)

    def _compare_file(self, path: pathlib.Path, noted: digests.FileState, words: _Words) -> _Fault | None:
        found = _stat(path)
        if found is None:
            return Kind.MISSING, str(path), f"{path} is missing"
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            return Kind.ALTERED, str(path), f"{path} is no file"
        if found.st_size != noted.size:
            return Kind.ALTERED, str(path), f"{path} has {found.st_size:,} bytes instead of {noted.size:,}"
        self._checked["bytes"] += found.st_size
        if digests.of_file(path) != noted.digest:
            return Kind.ALTERED, str(path), f"{path} {words.other}"
        return None

    def _strangers(self, folder: pathlib.Path, files: digests.Files, words: _Words) -> Iterator[_Fault]:
        """Files that are not noted; what is neither file nor folder was not noted when it was published either."""
        closed: list[OSError] = []
        for place, folders, names in os.walk(folder, onerror=closed.append):
            folders.sort()
            for name in sorted(names):
                path = pathlib.Path(place, name)
                try:
                    if path.relative_to(folder).as_posix() not in files and path.is_file():
                        yield Kind.ALTERED, str(path), f"{path} {words.stranger}"
                except OSError as error:
                    yield _unreadable(path, error)
        for reason in closed:
            yield _unreadable(pathlib.Path(str(reason.filename)), reason)

    # --- what is served ------------------------------------------------------------------------

    def _note_push(self, artifact: pb.Artifact, notes: Mapping[str, str | int | float]) -> None:
        if artifact.type != _PUSHED_MODEL or not notes.get(serving_folder.PUSHED):
            return
        destination = pathlib.Path(self._here(str(notes.get(serving_folder.PUSHED_DESTINATION, ""))))
        version = str(notes.get(serving_folder.PUSHED_VERSION, destination.name))
        if _is_number(version) and destination == self._root.serving / version:
            self._pushed = (int(version), artifact.id)

    def _served(self) -> None:
        """The newest model in the serving folder against the model that it is a copy of.

        A push makes the highest version, so that the last push is what must be served.
        """
        try:
            newest = serving_folder.newest_version(self._root.serving)
        except OSError as error:
            self._found(*_unreadable(self._root.serving, error))
            return
        version, artifact_id = self._pushed
        if not version and newest is None:
            return
        if newest is None or int(newest.name) < version:
            lost = self._root.serving / str(version)
            instead = f"version {newest.name} is served instead" if newest else "nothing is served"
            self._found(Kind.SERVED, str(lost), f"{lost}, the last model that was pushed, is missing: {instead}")
            return
        if int(newest.name) > version:
            sentence = f"{newest} is the newest model in the serving folder, but ML Metadata knows of no push to it"
            self._found(Kind.ORPHANED, str(newest), sentence)
            return
        [pushed] = self._store.get_artifacts_by_id([artifact_id])
        try:
            files = self._pushed_files(artifact_id)
        except (ValueError, OSError) as error:
            sentence = f"{newest} cannot be compared with the model that was pushed: {error}"
            self._about(pushed, Kind.UNVERIFIED, str(newest), sentence)
            return
        for kind, path, sentence in self._compare(newest, files, _PUSHED):
            self._about(pushed, Kind.UNREADABLE if kind == Kind.UNREADABLE else Kind.SERVED, path, sentence)

    def _pushed_files(self, artifact_id: int) -> digests.Files:
        """Files of the model that a push copied, by their names in the copy.

        Raises:
          ValueError, OSError: they are not known.
        """
        model = self._model_of(artifact_id)
        notes = _notes(model.custom_properties)
        folder = f"{serving_folder.MODEL}/"
        if digests.FILES in notes:
            found = {name[len(folder) :]: state for name, state in _files_of(notes).items() if name.startswith(folder)}
        else:
            found = digests.scan(pathlib.Path(self._here(model.uri)) / serving_folder.MODEL)
        if not found:
            raise ValueError(f"artifact {model.id} has no files in {serving_folder.MODEL}")
        return found

    def _model_of(self, artifact_id: int) -> pb.Artifact:
        """The model that the execution read which made this pushed model."""
        executions = sorted({event.execution_id for event in self._events_of(artifact_id)})
        # All that a cached execution reads is the same by content, so that the first one speaks for all.
        for event in self._store.get_events_by_execution_ids(executions[:1]):
            if event.type in _INPUT and _key(event) == _MODEL_INPUT:
                return self._store.get_artifacts_by_id([event.artifact_id])[0]
        raise ValueError("ML Metadata does not say which one that was")

    # --- runs ----------------------------------------------------------------------------------

    def _manifest(self, context: pb.Context) -> None:
        noted = _notes(context.custom_properties).get(manifest.PROPERTY)
        if context.type != metadata.PIPELINE_RUN or noted is None:
            return
        self._checked["manifests"] += 1
        path = manifest.path_of(self._root.path, context.name)
        try:
            found = _stat(path)
            if found is None or not stat.S_ISREG(found.st_mode):
                sentence = f"{path}, the manifest of run {context.name}, is {'no file' if found else 'missing'}"
            else:
                self._checked["files"] += 1
                self._checked["bytes"] += found.st_size
                if digests.of_file(path) == noted:
                    return
                sentence = f"{path}, the manifest of run {context.name}, holds other bytes than when the run began"
        except OSError as error:
            self._found(*_unreadable(path, error))
            return
        self._found(Kind.MANIFESTS, str(path), sentence)

    def _execution(self, execution: pb.Execution) -> None:
        if execution.last_known_state not in _UNENDED:
            return
        contexts = {context.type: context.name for context in self._store.get_contexts_by_execution(execution.id)}
        node = contexts.get(metadata.NODE, "").rpartition(".")[2]
        who = f"execution {execution.id}" + (f" of {node}" if node else "")
        if metadata.PIPELINE_RUN in contexts:
            who += f" in run {contexts[metadata.PIPELINE_RUN]}"
        state = pb.Execution.State.Name(execution.last_known_state)
        why = "a run may be in progress, the root is locked" if self._is_held else "no run holds the root"
        sentence = f"{who} has not ended, its state is {state}: {why}"
        self._keep(Finding(Kind.UNENDED, sentence, execution=execution.id, node=node))

    @functools.cached_property
    def _is_held(self) -> bool:
        """Whether a run holds the root now."""
        try:
            file = os.open(self._root.path / "lock", os.O_RDONLY)
        except OSError:
            return False
        try:
            # Shared, so that two who ask at once do not take each other for a run.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)  # releases it
        return False

    # --- what ML Metadata does not know --------------------------------------------------------

    def _orphans(self) -> None:
        """Whatever lies among the artifacts that no artifact in ML Metadata names."""
        for node in self._entries(self._root.artifacts):
            if not _is_folder(node):
                self._stray(node)
                continue
            for output in self._entries(node.path):
                if output.name == _SYSTEM and _is_folder(output):
                    for entry in self._entries(output.path):
                        if entry.name not in _IN_SYSTEM:
                            self._stray(entry)
                elif _is_folder(output):
                    for made in self._entries(output.path):
                        self._made(made, node.name, output.name)
                else:
                    self._stray(output)

    def _entries(self, folder: os.PathLike[str] | str) -> list[os.DirEntry[str]]:
        """What lies in a folder, in the order of names and numbers."""
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: (len(entry.name) * entry.name.isdecimal(), entry.name))
        except FileNotFoundError:
            return []
        except OSError as error:
            self._found(*_unreadable(pathlib.Path(folder), error))
            return []

    def _stray(self, entry: os.DirEntry[str]) -> None:
        sentence = f"{entry.path} lies among the artifacts, but is no output of a node"
        self._found(Kind.ORPHANED, entry.path, sentence)

    def _made(self, entry: os.DirEntry[str], node: str, output: str) -> None:
        """What an execution of a node made under an output key."""
        if self._is_named(entry.path):
            return
        # TFX's values, and artifacts of which there are several under a key, lie one folder deeper.
        if _is_folder(entry) and any(self._is_named(inner.path) for inner in self._entries(entry.path)):
            return
        sentence = f"no artifact in ML Metadata names {entry.path}"
        execution = self._unended(entry.name, node)
        if execution is not None:
            sentence += f": execution {execution}, which has not ended, was writing it"
        self._keep(Finding(Kind.ORPHANED, sentence, entry.path, None, execution, node, output))

    def _is_named(self, path: str) -> bool:
        paths = [path]
        if self._moved:
            old, new = self._moved
            paths.append(metadata.moved_path(path, new, old))  # mending breaks off at times: both may be there
        try:
            return any(
                artifact.state not in _UNPUBLISHED
                for one in paths
                for artifact in self._store.get_artifacts_by_uri(one)
            )
        except UnicodeEncodeError:  # a name that is no text: ML Metadata cannot hold it
            return False

    def _unended(self, name: str, node: str) -> int | None:
        """The execution of this number, if it is one of this node that has not ended."""
        if not _is_number(name):
            return None
        for execution in self._store.get_executions_by_id([int(name)]):
            if execution.last_known_state in _UNENDED:
                contexts = self._store.get_contexts_by_execution(execution.id)
                if any(context.type == metadata.NODE and context.name.endswith(f".{node}") for context in contexts):
                    return int(execution.id)
        return None

    # --- keeping -------------------------------------------------------------------------------

    def _about(self, artifact: pb.Artifact, kind: Kind, path: str, sentence: str) -> None:
        # Not asked for what is only counted: an artifact that was used again often has many events.
        node, output = self._origin(artifact) if len(self._findings[kind]) < _LISTED else ("", "")
        self._keep(Finding(kind, sentence, path, artifact.id, None, node, output))

    def _found(self, kind: Kind, path: str, sentence: str) -> None:
        self._keep(Finding(kind, sentence, path))

    def _keep(self, finding: Finding) -> None:
        self._counts[finding.kind.value] += 1
        if len(self._findings[finding.kind]) < _LISTED:
            self._findings[finding.kind].append(finding)

    def _origin(self, artifact: pb.Artifact) -> tuple[str, str]:
        """The node that made an artifact, and the key; empty where ML Metadata does not say."""
        for event in self._events_of(artifact.id):
            for context in self._store.get_contexts_by_execution(event.execution_id):
                if context.type == metadata.NODE:
                    return context.name.rpartition(".")[2], _key(event)
        return "", ""

    def _events_of(self, artifact_id: int) -> list[pb.Event]:
        """The events in which an artifact was made, or used again in a node's place."""
        events = self._store.get_events_by_artifact_ids([artifact_id])
        return [event for event in events if event.type in _OUTPUT]

    def _here(self, path: str) -> str:
        """Where something lies now that ML Metadata names."""
        return metadata.moved_path(path, *self._moved) if self._moved else path


def _rows(newest: Callable[..., list[Any]], by_id: Callable[..., list[Any]]) -> Iterator[Any]:
    """All artifacts, contexts or executions, page by page, by their ids.

    Args:
      newest: lists them.
      by_id: gets those that exist among ids.
    """
    highest = [row.id for row in newest(mlmd.ListOptions(limit=1, order_by=mlmd.OrderByField.ID, is_asc=False))]
    for first in range(1, max(highest, default=0) + 1, _PAGE):
        yield from sorted(by_id(list(range(first, first + _PAGE))), key=lambda row: int(row.id))


def _notes(properties: Mapping[str, pb.Value]) -> dict[str, str | int | float]:
    return {name: metadata.value_of(value) for name, value in properties.items()}


def _files_of(notes: Mapping[str, str | int | float]) -> digests.Files:
    """The files of an artifact as they were published. Raises `ValueError` when that cannot be read."""
    if digests.FILES not in notes:
        raise ValueError("the list of its files is not there")
    try:
        files = digests.from_text(str(notes[digests.FILES]))
    except (OverflowError, RecursionError) as error:  # numbers and depths that JSON allows
        raise ValueError(str(error)) from error
    outside = [name for name in files if pathlib.PurePosixPath(name).is_absolute() or ".." in name.split("/")]
    if outside:
        raise ValueError(f"it names a file outside the artifact, {outside[0]}")
    return files


def _key(event: pb.Event) -> str:
    """The key of the input or output that an event is about."""
    return str(event.path.steps[0].key) if event.path.steps else ""


def _is_number(text: str) -> bool:
    """Whether it can be an id, or a version."""
    return text.isdecimal() and len(text) <= _MOST_DIGITS


def _stat(path: pathlib.Path) -> os.stat_result | None:
    """What is known of a file or folder; None where there is none, or there can be none of this name."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _unreadable(path: pathlib.Path, error: OSError) -> _Fault:
    return Kind.UNREADABLE, str(path), f"{path} cannot be read: {error.strerror or error}"


def _printable(line: str) -> str:
    """A name may hold line ends, colours for the terminal, or what is no text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
