"""The orchestrator's reasons of failures."""

from __future__ import annotations

import pathlib

import pytest

from tests import lazy

pytestmark = pytest.mark.component

errors = lazy.module("components.errors")
own = lazy.module("pipeline.core.errors")
runner = lazy.module("pipeline.orchestration.tfx.local_runner")
tf = lazy.module("tensorflow")


def explain(error: BaseException) -> str:
    return str(runner.explain(error, pathlib.Path("/root")))


def test_our_own_error_is_its_message_wherever_it_is_in_the_chain() -> None:
    error = RuntimeError("a bundle failed")
    error.__cause__ = errors.DataError("record 7 is damaged [while running 'Write']")
    assert explain(error) == "record 7 is damaged"


def test_what_a_command_would_say_is_said_in_full() -> None:
    text = f"another program kept {'/long' * 60} from being written to"
    assert explain(own.UnavailableError(text)) == text


def test_our_own_error_is_found_in_the_traceback_that_a_beam_worker_sends() -> None:
    text = (
        "Traceback (most recent call last):\n  File x\ncomponents.errors.DataError: record 7 is damaged. Delete it "
        "[while running 'Write']\n\nDuring handling of the above exception"
    )
    assert explain(RuntimeError(text)) == "record 7 is damaged. Delete it"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("bce [while running 'Evaluate/AddUpFiles']"), 'KeyError: "bce"'),
        (KeyError("""no "bce" [while running 'Map(<lambda at x.py:3>)']"""), """KeyError: 'no "bce"'"""),
        (ValueError("no bce [while running 'Read[0]/Decode'] [while running 'Evaluate']"), "ValueError: no bce"),
    ],
)
def test_the_step_that_beam_adds_is_taken_off_and_no_quote_with_it(error: Exception, reason: str) -> None:
    assert explain(error) == reason


def test_an_error_of_the_system_names_the_file() -> None:
    assert explain(OSError(28, "No space left on device", "/x/y")) == "No space left on device: /x/y"
    copied = OSError(28, "No space left on device", "/x/y", None, "/x/z")
    assert explain(copied) == "No space left on device: /x/z"
    assert explain(OSError(28, "No space left on device")) == "No space left on device: /root"


@pytest.mark.parametrize(
    "text", ["corrupted record at 19978", "truncated record at 5", "Not a valid TFRecord. Mismatch of data mask: b''"]
)
def test_a_damaged_record_says_what_to_do(text: str) -> None:
    assert "run with --no-cache to regenerate it" in explain(ValueError(f"{{{{node x}}}} {text} [Op:Y] name: "))


def test_the_wrapping_of_tensorflow_is_taken_off() -> None:
    error = tf.errors.InvalidArgumentError(None, None, "{{function_node f}} shapes differ [Op:MatMul]")
    assert explain(error) == "InvalidArgumentError: shapes differ"


def test_a_long_reason_is_cut_and_says_so() -> None:
    reason = explain(ValueError("first " + "x" * 5_000 + "; No space left on device"))
    assert reason.startswith("ValueError: first xxx")
    assert reason.endswith("xxx; No space left on device (cut; the log has all of it)")
    assert len(reason) < 250


def test_the_last_line_of_an_unknown_error_is_its_reason() -> None:
    assert explain(KeyError()) == "KeyError: "
    assert explain(ValueError("first\nlast\n\n")) == "ValueError: last"
