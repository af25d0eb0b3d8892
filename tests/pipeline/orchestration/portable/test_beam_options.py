"""Options of Beam are checked before anything runs, by a process of its own."""

from __future__ import annotations

import pytest

from pipeline.core.errors import UsageError
from pipeline.orchestration.portable import beam_options
from pipeline_config import EngineConfig


def check(options: str) -> None:
    beam_options.check(EngineConfig(runner="flink", job_endpoint="127.0.0.1:9", beam_options=options))


def test_no_options_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_options.sys, "executable", "/none")  # type: ignore[attr-defined]
    check("")


@pytest.mark.parametrize(
    ("option", "setting"),
    [
        ("--runner=FlinkRunner", "engine.runner"),
        ("--parallelism=2", "engine.parallelism"),
        ("--environment_config=h:1", "engine.worker_address"),
        ("--job_endpoint=h:1", "engine.job_endpoint"),
        ("--flink_master=h:1", "engine.flink_master"),
    ],
)
def test_what_a_setting_gives_is_refused(option: str, setting: str) -> None:
    with pytest.raises(UsageError, match=setting):
        check(option)


@pytest.mark.component
def test_an_unknown_option_is_one_line() -> None:
    with pytest.raises(UsageError) as raised:
        check("--paralelism=2")
    assert "engine.beam_options = '--paralelism=2' is not allowed: --paralelism=2 is no" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
