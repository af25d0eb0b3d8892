"""A run ends on SIGINT, SIGTERM and SIGHUP: by itself where it can, else by force. Real signals, real processes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from pipeline.orchestration.cancellation import cancellable
from tests import PROJECT

# What each process begins with. A short grace, so that a process that must be ended by force is soon ended.
HEAD = """
import hashlib, os, signal, subprocess, sys, threading, time
from pipeline.orchestration import cancellation
cancellation.GRACE = 1.0  # a machine that runs other tests may let a process wait for a third of that

def say(text):
    os.write(1, f"{text}\\n".encode())  # not print: a signal's handler may interrupt it and print too

def stuck():
    "Stays in C for hours; no Python code of the main thread runs meanwhile."
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)

def child():
    "A process that holds our standard output open: its reader waits for it too."
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
"""
TIMEOUT = 120  # seconds after which a process counts as one that does not end
SIGNALS = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)


def start(script):
    command = [sys.executable, "-c", HEAD + script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)


@contextlib.contextmanager
def started(script):
    """A process that runs HEAD and `script`, from the moment on when it has said `ready`."""
    with start(script) as process:
        family = psutil.Process(process.pid)
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                for member in [*family.children(recursive=True), family]:
                    member.kill()


def end_of(process):
    """Exit code and what was said, once the process and all that it started have ended."""
    output, _ = process.communicate(timeout=TIMEOUT)
    return process.returncode, output.splitlines()


def wait_until_busy(process):
    """Waits until the process, which has nothing else to do, is well inside of its stuck call."""
    clock = psutil.Process(process.pid)
    begin = clock.cpu_times().user
    while clock.cpu_times().user < begin + 0.05:
        time.sleep(0.005)


@SIGNALS
def test_a_signal_raises_keyboard_interrupt_and_cleans_up_once(number):
    script = """
try:
    with cancellation.cancellable(lambda: say("cleaned up")):
        say("ready")
        time.sleep(600)
except KeyboardInterrupt as error:
    say(error)
    say(threading.active_count())
    time.sleep(3 * cancellation.GRACE)
    sys.exit(7)
"""
    with started(script) as process:
        process.send_signal(number)
        assert end_of(process) == (7, ["cleaned up", number.name, "1"])


@SIGNALS
def test_a_process_stuck_in_c_is_cleaned_up_and_ended(number):
    script = """
with cancellation.cancellable(lambda: say("cleaned up")):
    say("ready")
    stuck()
"""
    with started(script) as process:
        wait_until_busy(process)
        process.send_signal(number)
        assert end_of(process) == (130, ["cleaned up"])


def test_a_closed_terminal_is_ignored_where_nohup_said_so():
    script = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with cancellation.cancellable(lambda: say("cleaned up")):
    say("ready")
    time.sleep(2 * cancellation.GRACE)
say("done")
"""
    with started(script) as process:
        process.send_signal(signal.SIGHUP)
        assert end_of(process) == (0, ["done"])


def test_a_library_that_swallows_the_interrupt_does_not_keep_the_process_alive():
    script = """
with cancellation.cancellable(lambda: say("cleaned up")):
    try:
        say("ready")
        time.sleep(600)
    except BaseException:
        say("swallowed")
    time.sleep(600)
"""
    with started(script) as process:
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, ["swallowed", "cleaned up"])


def test_a_clean_up_that_fails_does_not_keep_the_process_alive():
    script = """
threading.excepthook = lambda arguments: None
with cancellation.cancellable(lambda: 1 / 0):
    say("ready")
    stuck()
"""
    with started(script) as process:
        wait_until_busy(process)
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, [])


def test_a_second_signal_does_not_break_the_clean_up_of_the_first():
    script = """
def clean_up():
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    say("cleaned up")

try:
    with cancellation.cancellable(clean_up):
        say("ready")
        time.sleep(600)
except KeyboardInterrupt as error:
    say(error)
"""
    with started(script) as process:
        process.send_signal(signal.SIGTERM)
        assert end_of(process) == (0, ["cleaned up", "SIGTERM"])


def test_a_clean_up_that_hangs_does_not_keep_the_process_alive():
    script = """
with cancellation.cancellable(lambda: time.sleep(600)):
    say("ready")
    stuck()
"""
    with started(script) as process:
        wait_until_busy(process)
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, [])


def test_child_processes_end_with_a_run_that_ends_by_itself():
    script = """
with cancellation.cancellable(lambda: None):
    child()
    try:
        say("ready")
        time.sleep(600)
    except KeyboardInterrupt:
        say("interrupted")
"""
    with started(script) as process:
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (0, ["interrupted"])


def test_child_processes_end_with_a_run_that_is_ended_by_force():
    script = """
with cancellation.cancellable(lambda: None):
    child()
    say("ready")
    stuck()
"""
    with started(script) as process:
        wait_until_busy(process)
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, [])


def test_a_clean_up_that_waits_for_a_child_process_does_not_wait_for_ever():
    script = """
try:
    with cancellation.cancellable(lambda: say("cleaned up")):
        child = subprocess.Popen([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"])
        try:
            child.wait()
        finally:
            child.wait()
            say("freed")
except KeyboardInterrupt:
    sys.exit(7)
"""
    with started(script) as process:
        process.send_signal(signal.SIGTERM)
        assert end_of(process) == (7, ["freed", "cleaned up"])


def test_another_signal_that_the_program_handles_does_not_end_it():
    script = """
signal.signal(signal.SIGUSR1, lambda number, frame: say("handled"))
with cancellation.cancellable(lambda: say("cleaned up")):
    say("ready")
    time.sleep(3 * cancellation.GRACE)
say("done")
"""
    with started(script) as process:
        process.send_signal(signal.SIGUSR1)
        assert end_of(process) == (0, ["handled", "done"])


def test_afterwards_the_handlers_are_as_before_and_no_thread_is_left():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    threads = threading.active_count()
    with cancellable(lambda: None):
        assert threading.active_count() == threads + 1
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1
    assert threading.active_count() == threads


def test_an_error_passes_through_and_restores_the_handlers():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), cancellable(lambda: None):
        _ = 1 / 0
    assert signal.getsignal(signal.SIGINT) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_it_can_be_used_again_after_an_end():
    script = """
for _ in range(2):
    try:
        with cancellation.cancellable(lambda: say("cleaned up")):
            os.kill(os.getpid(), signal.SIGINT)
            say("not reached")
    except KeyboardInterrupt:
        say("ended")
"""
    with start(script) as process:
        assert end_of(process) == (0, ["cleaned up", "ended", "cleaned up", "ended"])
