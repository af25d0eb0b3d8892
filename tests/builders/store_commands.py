"""Damage a store by each seed, and read it by commands and from servers; as a program print a JSON line for each seed.

Every second seed damages the store of a root, the others those of strangers, which belong to no root.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import sys
import tempfile
import urllib.error
import urllib.request

from tests.builders import forked
from tests.builders.damage import damage

COMMANDS = (
    ["runs"], ["show", "latest"], ["artifacts"], ["artifact", "1"], ["lineage", "2"], ["why", "latest", "Trainer"],
    ["diff", "latest~1", "latest"], ["runs", "--sort", "seconds", "--csv"], ["show", "latest~1", "--json"],
    ["artifacts", "--node", "Trainer"], ["runs", "--where", "state=succeeded", "--json"],
    ["artifact", "latest:Trainer"],
)  # fmt: skip
COMMANDS_OF_A_ROOT = (*COMMANDS, ["models"], ["logs", "good"], ["fsck"], ["gc"])
PAGES = (
    "", "runs/latest", "runs/latest~1.json", "artifacts", "artifacts/1", "artifacts/2/lineage", "models", "health.json",
    "compare?run=latest&run=latest~1", "metrics", "?cells=all&sort=seconds", "artifacts.json?type=Model",
)  # fmt: skip


def main(pristine: str, place: str, first: int, last: int, one_of: int, root_server: str, server: str) -> None:
    """Read damaged stores.

    Args:
      pristine: a folder with the store of a root, `root.sqlite`, and others.
      place: a folder with that root, `root`; the other stores are put beside it, as `alone.sqlite`.
      first, last: range of seeds.
      one_of: each damaged store is read by one of so many of the commands, and of the pages.
      root_server, server: addresses of servers of the root, and of the store beside it; without any, `sae serve --get`
        makes the pages.
    """
    root, alone = pathlib.Path(place) / "root", pathlib.Path(place) / "alone.sqlite"
    forked.call(["serve", "--get", "/health.json", "--root", str(root)])  # imports what the children need
    for seed in range(first, last):
        of_root = seed % 2 == 0
        done = put_damaged(pathlib.Path(pristine), pathlib.Path(place), seed)
        options = ["--root", str(root)] if of_root else ["--metadata", str(alone)]
        address = root_server if of_root else server
        commands = list(COMMANDS_OF_A_ROOT if of_root else COMMANDS)[seed % one_of :: one_of]
        if seed % 50 < 2 * bool(address):
            commands.append(["export", f"{tempfile.gettempdir()}/export"])
        pages = list(PAGES[seed % one_of :: one_of])
        if not address:
            commands, pages = [*commands, *(["serve", "--get", f"/{page}"] for page in pages)], []
        results = [[*command, *in_child(*command, *options)] for command in commands]
        answers = [[page, get(address + page)] for page in pages]
        print(json.dumps({"seed": seed, "damage": done, "commands": results, "pages": answers}), flush=True)


def put_damaged(pristine: pathlib.Path, place: pathlib.Path, seed: int) -> str:
    """Damage a copy of a store, and put it in place of the one that was there; say what was done."""
    others = sorted(one for one in pristine.glob("*.sqlite") if one.name != "root.sqlite")
    of_root = seed % 2 == 0
    original = pristine / "root.sqlite" if of_root else others[seed // 2 % len(others)]
    scratch = place / "next.sqlite"
    shutil.copyfile(original, scratch)
    done = f"{original.stem}: {damage(scratch, seed)}"
    os.replace(scratch, place / "root" / "metadata.sqlite" if of_root else place / "alone.sqlite")
    return done


def in_child(*arguments: str) -> tuple[int, str]:
    """The exit code, negative for a signal, and standard error."""
    code, _, errors = forked.sae(*arguments)
    return code, errors


def get(address: str) -> int | str:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            error.read()
        return error.code
    except OSError as error:
        return str(error)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:6]), *sys.argv[6:8])
