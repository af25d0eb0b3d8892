"""Commands in messages, with the options that select the same root, store and pipeline."""

import pytest

from pipeline.core.suggestions import Selection


@pytest.mark.parametrize(
    ("selected", "text", "completed"),
    [
        (Selection(), "see `sae runs`", "see `sae runs`"),
        (Selection(root="/a b"), "`sae runs`; `sae show 1`", "`sae runs --root '/a b'`; `sae show 1 --root '/a b'`"),
        (Selection(root="/a"), "`sae run --root /other`", "`sae run --root /other`"),
        (Selection(root="/a"), "`sae runs --metadata b.sqlite`", "`sae runs --metadata b.sqlite`"),
        (Selection(root="/a"), "see `sae run --help`", "see `sae run --help`"),
        (Selection(root="/a"), "--root /a: `sae --help`, `id`, sae runs", "--root /a: `sae --help`, `id`, sae runs"),
        (Selection(root="/a"), "a lone ` sae runs `", "a lone ` sae runs `"),
        (Selection(pipeline="m:P"), "`sae runs`", "`sae --pipeline m:P runs`"),
        (Selection(program="/x/sae"), "`sae runs`", "`/x/sae runs`"),
        (Selection(metadata="s.sqlite"), "`sae runs` or `sae run`", "`sae runs --metadata s.sqlite` or `sae run`"),
        (
            Selection(root="/a", metadata="postgresql://u:hidden@h/d"),
            "`sae artifacts` or `sae restore 1`",
            "`sae artifacts --metadata postgresql://u@h/d` or `sae restore 1 --root /a`",
        ),
    ],
)  # fmt: skip
def test_a_command_is_completed(selected, text, completed):
    assert selected.completed(text) == completed
