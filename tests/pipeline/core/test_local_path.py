"""Paths that a user gives."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from pipeline.core import local_path
from pipeline.core.errors import UnavailableError, UsageError

URLS = ["gs://bucket/x", "s3://bucket", "hdfs://host/x", "file:///tmp/x", "http://host/", "x-y.z+1://host"]


@pytest.mark.parametrize("path", ["a", "/a/b", "./~", "a/~", "gs:/bucket", "./gs://bucket", "sp ace", "é", "-x"])
def test_a_path_stays_as_it_is(path):
    assert local_path.local_path(path) == path


def test_a_tilde_is_the_home_of_the_user(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    assert [local_path.local_path(path) for path in ("~", "~/x", "~root/x")] == [
        "/home/somebody", "/home/somebody/x", f"{pwd.getpwnam('root').pw_dir}/x",
    ]  # fmt: skip


def test_an_unknown_user_is_refused_with_the_way_to_write_a_folder():
    with pytest.raises(ValueError, match=r"no user 'no-such-user'; write \./~no-such-user "):
        local_path.local_path("~no-such-user/x")


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_refused(url):
    with pytest.raises(ValueError, match="it is a URL"):
        local_path.local_path(url)


def test_a_nul_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        local_path.local_path("a\0b")


@pytest.mark.parametrize("path", ["x" * 300, "x/" * 3000, "/" + "y" * 5000])
def test_a_path_that_is_too_long_is_unavailable_and_shown_in_short(path):
    with pytest.raises(UnavailableError, match=f"{len(path):,} bytes") as error:
        local_path.local_path(path)
    assert len(str(error.value)) < 200


def test_a_path_of_another_locale_is_left_to_those_who_open_it():
    """The root of an earlier run stands in its settings; nothing of it is opened by another."""
    program = r"from pipeline.core import local_path; print(ascii(local_path.local_path('/tmp/Gr\xf6\xdfe')))"
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    found = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **locale}, capture_output=True, text=True
    )
    assert found.stdout == "'/tmp/Gr\\xf6\\xdfe'\n", found.stderr


def test_room_below_a_path_is_checked(tmp_path):
    longest = str(tmp_path) + "/z" * ((os.pathconf("/", "PC_PATH_MAX") - len(str(tmp_path)) - 3) // 2)
    local_path.check_length(longest)
    with pytest.raises(UnavailableError):
        local_path.check_length(longest, local_path.ROOM)
    local_path.check_length(longest[: -local_path.ROOM - 20], local_path.ROOM)


@pytest.mark.parametrize("path", ["/a/works?", "/exp[1]", "/a*b/c", "/back\\slash", "/a]"])
def test_a_pattern_is_refused(path):
    with pytest.raises(UsageError, match="--root"):
        local_path.check_no_pattern("pipeline root", path, "--root")


@pytest.mark.parametrize("path", ["/a/{a,b}", "/sp ace", "/100%", "/x#y", "/new\nline", "/$HOME;~'\""])
def test_other_characters_are_no_pattern(path):
    local_path.check_no_pattern("pipeline root", path, "--root")
