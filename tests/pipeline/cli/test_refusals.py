"""What is refused before anything is written: a new root, and empty arguments."""

from __future__ import annotations

import click
import pytest

from pipeline.core import settings
from pipeline.core.errors import ExitCode, NotFoundError
from pipeline.core.pipeline_root import Root
from pipeline.orchestration import run
from pipeline.provenance import manifest
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.builders.roots import Recorded
from tests.pipeline.cli.test_fuzz import COMMANDS

# An empty text removes a note; a schedule of a pipeline without profiles gives an empty one; no prefix is the default;
# without a value the newest copy is restored.
MAY_BE_EMPTY = {("note", "text"), ("*", "profile"), ("serve", "base_path"), ("restore", "metadata_copy")}


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    for name in ("SAE_ROOT", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("run --set data.source=sample --set data.dataset=signals", ExitCode.USAGE),
        ("run --profile mnist --set data.size=32x32", ExitCode.USAGE),
        ("run --set data.schema=none", ExitCode.USAGE),
        ("run --run-id-suffix ../x", ExitCode.USAGE),
        ("sweep run l1 --over model.l1=0,1 --on host", ExitCode.USAGE),
        ("run --from-node Trainer", ExitCode.NOT_FOUND),
        ("run --from-node Trainer --base r1", ExitCode.NOT_FOUND),
        ("resume", ExitCode.NOT_FOUND),
        ("restore --metadata", ExitCode.NOT_FOUND),
        ("schedule add bad/name --every 6h", ExitCode.USAGE),
    ],
)
def test_a_refused_command_makes_no_root(sae, tmp_path, words, code):
    assert sae(*words.split(), "--root", str(tmp_path / "new"))[0] == code
    assert list(tmp_path.iterdir()) == []


class TestRerun:
    """`sae run --like MANIFEST`, for a run with the profile `mnist_sparse`."""

    @pytest.fixture
    def like(self, tmp_path):
        resolved = settings.resolve(settings.Request("mnist_sparse", root=str(tmp_path / "new")))
        values, source = resolved.config.recorded(), Recorded(tmp_path / "recorded").source()
        recorded = manifest.collect(
            run_id="r1",
            command=(),
            profile="mnist_sparse",
            configuration=values,
            data=source,
            code={},
            pipeline=PIPELINE,
        )
        path = tmp_path / "r1.json"
        path.write_text(manifest.to_json(recorded))
        return ("run", "--like", str(path))

    @pytest.mark.parametrize("profile", ["mnist", "none_such"])
    def test_with_another_profile_is_refused(self, sae, like, profile, tmp_path):
        code, _, errors = sae(*like, "--profile", profile)
        assert code == ExitCode.USAGE
        assert "run r1, of the profile mnist_sparse" in errors
        assert not (tmp_path / "new").exists()

    @pytest.mark.parametrize("options", [(), ("--profile", "mnist_sparse"), ("--set", "training.epochs=3")])
    def test_has_the_profile_of_the_run(self, sae, like, options, monkeypatch):
        requests = []

        def run_nothing(wanted, display):
            requests.append(wanted)
            raise NotFoundError("not run")

        monkeypatch.setattr(run, "run", run_nothing)
        assert sae(*like, *options)[0] == ExitCode.NOT_FOUND
        assert [one.settings.profile for one in requests] == ["mnist_sparse"]

    @pytest.mark.parametrize(
        ("exists", "options", "refused"),
        [
            ((), (), True),
            ((), ("--root", "new"), False),  # the root that the manifest names, to be made again
            ((), ("--root", "moved"), False),
            (("new",), (), False),
        ],
    )
    def test_of_a_root_that_was_moved_makes_none_at_its_old_place(
        self, sae, like, tmp_path, exists, options, refused, monkeypatch
    ):
        ran = []

        def run_nothing(wanted, display):
            ran.append(wanted)
            raise NotFoundError("not run")

        monkeypatch.setattr(run, "run", run_nothing)

        for name in exists:
            (tmp_path / name).mkdir()
        moved = Root(tmp_path / "moved")
        moved.create()
        moved.manifests.mkdir()
        (tmp_path / "r1.json").rename(moved.manifests / "r1.json")
        code, _, errors = sae("run", "--like", str(moved.manifests / "r1.json"), *options)
        assert (code == ExitCode.USAGE) == refused
        assert (ran == []) == refused
        if refused:
            assert f"--root {moved.path}" in errors


def texts():
    """Each command with each parameter that takes a text, and the words that give it an empty one."""
    for path, command in COMMANDS.items():
        taken = [one for one in command.params if not getattr(one, "is_flag", False)]
        for one in taken:
            if {(path[-1], one.name), ("*", one.name)} & MAY_BE_EMPTY:
                continue
            words = []
            for other in taken:
                if other is one or other.required:
                    value = "" if other is one else "x"
                    words += [value] if isinstance(other, click.Argument) else [other.opts[0], value]
            yield pytest.param((*path, *words), one, id=f"{' '.join(path)} {one.opts[0]}")


@pytest.mark.parametrize(("words", "parameter"), texts())
def test_an_empty_argument_is_refused(sae, words, parameter, tmp_path):
    code, out, error = sae(*words)
    assert (code, out) == (ExitCode.USAGE, "")
    assert parameter.opts[-1] in error or (parameter.metavar or parameter.name) in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_empty_pipeline_is_refused(sae):
    assert sae("--pipeline", "", "runs")[0] == ExitCode.USAGE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run --pipeline module:NAME", "`sae --pipeline ...`"),
        ("--json runs", "`sae runs --json ...`"),
        ("--root x show latest", "`sae show --root ...`"),
        ("--nothing runs", "No such option"),
        ("--root x schedule list", "No such option"),
    ],
)
def test_an_option_on_the_wrong_side_of_its_command_is_refused_with_the_right_one(sae, words, said):
    code, out, error = sae(*words.split())
    assert (code, out) == (ExitCode.USAGE, "")
    assert said in error
