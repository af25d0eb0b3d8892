"""The garbage collector during imports and runs."""

from __future__ import annotations

import gc

import pytest

from pipeline.core import garbage_collector


@pytest.fixture(autouse=True)
def thawed():
    yield
    gc.unfreeze()


def test_the_collector_is_off_and_leaves_out_what_was_created():
    before = gc.get_freeze_count()
    with garbage_collector.off_for_imports():
        assert not gc.isenabled()
        made = [[] for _ in range(100)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)


def test_the_collector_is_off_for_a_function_at_most_until_imports_in_it_have_ended():
    states = []

    @garbage_collector.off()
    def short():
        states.append(gc.isenabled())
        with garbage_collector.off_for_imports():
            states.append(gc.isenabled())
        states.append(gc.isenabled())

    short()
    assert [*states, gc.isenabled()] == [False, False, True, True]


def test_the_collector_is_on_again_after_an_import_that_failed():
    with pytest.raises(ImportError), garbage_collector.off_for_imports():
        raise ImportError("no such module")
    assert gc.isenabled()


@pytest.mark.parametrize("context", [garbage_collector.off, garbage_collector.off_for_imports])
def test_the_collector_stays_off_for_a_caller_that_turned_it_off(context):
    gc.disable()
    try:
        with context():
            with context():
                assert not gc.isenabled()
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
    with context():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_run_searches_seldom_and_leaves_the_thresholds_as_they_were():
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 11, 12)
        with garbage_collector.seldom():
            assert gc.get_threshold() == (50_000, 11, 12)
        assert gc.get_threshold() == (700, 11, 12)
        gc.set_threshold(90_000, 11, 12)
        with garbage_collector.seldom():
            assert gc.get_threshold()[0] == 90_000
        gc.set_threshold(0)
        with garbage_collector.seldom():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)
