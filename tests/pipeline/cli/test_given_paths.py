"""Paths and URLs in options, in files and in the environment: `~`, URLs, patterns, and paths that are too long."""

from __future__ import annotations

import re

import pytest

DIGITS = "9" * 5_000
LONG = "/x" * 3_000


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The current folder, with a home beside it and a file of settings."""
    for name in ("SAE_ROOT", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SAE_PIPELINE", "")  # `--pipeline` sets it in this process; restored after the test
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


PATH_OPTIONS = [
    ("run", "--root", "PATH"),
    ("run", "--set", "paths.root=PATH"),
    ("plan", "--root", "PATH"),
    ("doctor", "--root", "PATH"),
    ("runs", "--root", "PATH"),
    ("gc", "--root", "PATH"),
    ("schedule", "add", "n", "--every", "1h", "--root", "PATH"),
    ("run", "--config", "PATH"),
    ("run", "--like", "PATH"),
    ("run", "--run-id-file", "PATH"),
    ("run", "--set", "data.data_dir=PATH"),
    ("config", "check", "--config", "PATH"),
    ("export", "PATH"),
    ("schedule", "export", "n", "--systemd", "--to", "PATH"),
    ("export", "airflow", "--to", "PATH"),
    ("export", "airflow", "--root", "PATH"),
    ("export", "airflow", "--config", "PATH"),
]


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("plan",),
        ("resume",),
        ("runs",),
        ("serve", "--get", "/runs.json"),
        ("doctor",),
        ("gc",),
        ("sweep", "run", "l1", "--over", "model.l1=0,1"),
        ("schedule", "add", "n", "--every", "1h"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("name", ["file", "file/root", "metadata.sqlite"])
def test_a_root_that_is_a_file_or_below_one_is_refused_by_every_command(refused, folder, command, name):
    (folder / "file").touch()
    (folder / "metadata.sqlite").write_bytes(b"SQLite format 3\0 and more")
    words = {
        "file": "a file: name a folder with --root",
        "file/root": f"below the file {folder / 'file'}: name a folder with --root",
        "metadata.sqlite": (
            "a file: name a folder with --root, or read this store with "
            f"`sae runs --metadata {folder / 'metadata.sqlite'}`"
        ),
    }
    found = refused(2, *command, "--root", name)
    assert re.sub("`.* runs", "`sae runs", found) == f"error: the root {folder / name} is {words[name]}\n"
    assert sorted(one.name for one in folder.iterdir()) == ["file", "metadata.sqlite"]


@pytest.mark.parametrize("arguments", PATH_OPTIONS, ids=" ".join)
@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("gs://bucket/x", 2, "it is a URL; give a path on this machine"),
        ("file:///tmp/x", 2, "it is a URL; give a path on this machine"),
        ("~no-such-user/x", 2, "there is no user 'no-such-user'; write ./~no-such-user"),
        (LONG, 6, "is too long: 6,000 bytes"),
    ],
    ids=["gs", "file", "user", "long"],
)
def test_a_path_that_cannot_be_one_is_refused_in_one_line(refused, folder, arguments, path, code, words):
    assert words in refused(code, *(one.replace("PATH", path) for one in arguments))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", [("run",), ("plan",), ("runs",)], ids=" ".join)
def test_a_path_of_the_environment_that_cannot_be_one_is_refused(refused, folder, monkeypatch, command):
    monkeypatch.setenv("SAE_ROOT", "s3://bucket")
    assert "paths.root = 's3://bucket' is not allowed: it is a URL" in refused(2, *command)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("command", [("plan",), ("doctor", "--json")], ids=" ".join)
def test_a_data_folder_of_the_environment_that_cannot_be_one_is_refused(sae, folder, monkeypatch, command):
    monkeypatch.setenv("TFDS_DATA_DIR", "gs://sets")
    code, output, errors = sae(*command)
    assert code == 2
    assert "TFDS_DATA_DIR = 'gs://sets' is not allowed: it is a URL" in output + errors
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["works?", "exp[1]", "a*b", "back\\slash"])
@pytest.mark.parametrize(
    "command", [("run",), ("plan",), ("schedule", "add", "n", "--every", "1h")], ids=lambda command: command[0]
)
def test_a_root_that_tensorflow_takes_for_a_pattern_is_refused(refused, folder, command, name):
    assert f"the pipeline root {folder / name} cannot be used" in refused(2, *command, "--root", name)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["option", "setting", "environment", "file"])
def test_a_tilde_is_the_home_in_every_place(sae, folder, monkeypatch, tmp_path, place):
    arguments = {"option": ["--root", "~/root"], "setting": ["--set", "paths.root=~/root"]}.get(place, [])
    if place == "environment":
        monkeypatch.setenv("SAE_ROOT", "~/root")
    if place == "file":
        (tmp_path / "home" / "settings.toml").write_text('[paths]\nroot = "~/root"\n')
        arguments = ["--config", "~/settings.toml"]
    code, output, _ = sae("plan", *arguments, "--json")
    assert (code, f'"root": "{tmp_path / "home" / "root"}"' in output) == (0, True)
    assert list(folder.iterdir()) == []


def test_a_file_of_settings_with_a_byte_order_mark_is_read(sae, folder):
    (folder / "settings.toml").write_bytes(b"\xef\xbb\xbf[training]\nepochs = 7\n")
    code, output, _ = sae("config", "show", "--config", "settings.toml")
    assert (code, "\nepochs = 7 " in output) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", DIGITS),
        ("show", f"latest~{DIGITS}"),
        ("artifact", DIGITS),
        ("artifact", f"latest~{DIGITS}:Trainer"),
        ("lineage", DIGITS),
        ("why", "latest", DIGITS),
        ("verify", DIGITS),
        ("resume", DIGITS),
        ("promote", DIGITS, "--reason", "x"),
        ("pin", DIGITS, "--reason", "x"),
        ("restore", DIGITS),
        ("restore", "--metadata", DIGITS),
        ("runs", "--limit", DIGITS),
        ("runs", "--metadata", DIGITS),
        ("runs", "--metadata", f"postgresql://u@h:{DIGITS}/d"),
        ("serve", "--port", DIGITS),
        ("serve", "--get", f"/artifacts/{DIGITS}"),
        ("logs", "latest", "--tail", DIGITS),
        ("schedule", "show", DIGITS),
        ("schedule", "next", "--count", DIGITS),
        ("schedule", "add", DIGITS, "--every", "1h"),
        ("schedule", "add", "n", "--every", f"{DIGITS}h"),
        ("schedule", "add", "n", "--cron", f"{DIGITS} * * * *"),
        ("schedule", "add", "n", "--every", "1h", "--retries", DIGITS),
        ("schedule", "add", "n", "--every", "1h", "--timeout", f"{DIGITS}s"),
        ("schedule", "add", "n", "--cron", "0 0 * * *", "--zone", DIGITS),
        ("--pipeline", DIGITS, "runs"),
        (DIGITS,),
        (f"--{DIGITS}",),
    ],
    ids=lambda arguments: " ".join(arguments).replace(DIGITS, "DIGITS"),
)
def test_a_number_of_5000_digits_is_refused_in_one_short_line(sae, arguments):
    code, _, errors = sae(*arguments)
    assert code in (2, 3, 6)
    assert errors.startswith("error: ")
    assert "unexpected" not in errors
    assert errors.count("\n") == 1
    assert len(errors) < 1_000
