"""Words of suggested commands: safe to show, and read by a shell as they were."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

import pytest

from pipeline.core import shell
from pipeline.core.suggestions import Selection
from pipeline.core.text import UNSAFE, escaped

WORDS = (
    "plain", "", "a b", "it's", "$HOME `id` \\ \"", "line\nend", "tab\tand\rreturn", "\x1bcreset", "\x1b1a",
    "\u202eesrever",
    "\u2066x\u2069", "\x7f\x9b", "'\n\\n'", "-\n", "é\n\u65e5", "\udcff\n", "\ufeffa", "~\n", "a`b", "!\n!", "\n" * 3,
)  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_a_quoted_word_is_safe_to_show(word: str) -> None:
    assert not UNSAFE.search(shell.quoted(word))
    assert escaped(shell.quoted(word)) == shell.quoted(word)


@pytest.mark.parametrize("word", ["plain", "a b", "it's", "$HOME \\"])
def test_a_word_without_unsafe_characters_is_quoted_for_every_shell(word: str) -> None:
    assert shell.quoted(word) == shlex.quote(word)


@pytest.mark.parametrize("language", ["C", "C.UTF-8"])
@pytest.mark.parametrize("word", WORDS)
def test_bash_reads_the_word_as_it_was(word: str, language: str) -> None:
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    command = f"printf '%s\\0' {shell.joined([word, 'next'])}"
    environment = {**os.environ, "LC_ALL": language}
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, env=environment)
    assert done.stdout == os.fsencode(word) + b"\0next\0"


@pytest.mark.parametrize("root", ["/a\nb", "/a`b", "/\x1bc", "/\u202ea"])
def test_a_suggested_command_stays_one_command(root: str) -> None:
    completed = Selection(root=root).completed("see `sae runs`")
    assert completed == f"see `sae runs --root {shell.quoted(root)}`"
    assert Selection(root="/other").completed(completed) == completed
