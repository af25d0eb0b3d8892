"""Take the pictures of docs/images with Chromium: `make screenshots`.

Runs that differ in L1 and seed, and one that fails, are made in a new root, unless `--root` names one that has them.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from PIL import Image
from playwright import sync_api

PROJECT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = PROJECT / "docs" / "images"
SAE = str(pathlib.Path(sys.executable).with_name("sae"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Without these a Chromium at rest asks its maker's hosts for updates.
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDE, PHONE = 1280, 390  # pixels
RUNS = [(l1, seed) for l1 in ("1e-4", "1e-3") for seed in (1, 2)]
SWEEP = "methods"
# Its points by L1 have the settings of runs: they are cached, and have the pictures of their Reports.
POINTS = """
[sweep]
seeds = 2
[[sweep.points]]
"model.sparsity" = "l1"
"model.l1" = [1e-4, 1e-3]
[[sweep.points]]
"model.sparsity" = "topk"
"model.active_units" = [4, 8]
"""
FAILING = "data.train_examples=7"  # DataGate finds more


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of a page. `height`: pixels, at most."""

    name: str
    path: str
    height: int
    width: int = WIDE
    dark: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", help="a root whose newest run failed, with the runs; default: a new one")
    parser.add_argument("--profile", default="sample", help="of the runs in a new root [default: sample]")
    parser.add_argument("--to", type=pathlib.Path, default=IMAGES, help="folder of the pictures [default: docs/images]")
    parser.add_argument("--all", action="store_true", help="every page, at both widths, light and dark")
    options = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"error: no Chromium on PATH: install one of {', '.join(BROWSERS)}")
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sae-") as folder:
        root = options.root or make_runs(pathlib.Path(folder) / "pipeline_root", options.profile)
        with served(root) as address, sync_api.sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser, args=SWITCHES)
            paths = addresses(address)
            with contextlib.ExitStack() as opened:
                for one in every_page(paths) if options.all else pictures(paths):
                    if one.name == "schedules" and not options.root:
                        opened.enter_context(daemon(root, address))
                    path = options.to / f"{one.name}.png"
                    take(chromium, address, one, path)
                    print(path, flush=True)
            chromium.close()


def sae(*words: str, check: bool = True) -> None:
    command = [SAE, *words]
    print("$ sae", *words, flush=True)
    subprocess.run(command, cwd=PROJECT, check=check, stderr=subprocess.DEVNULL)


def make_runs(root: pathlib.Path, profile: str) -> str:
    for l1, seed in RUNS:
        sae("run", "--profile", profile, "--root", str(root), "--set", f"model.l1={l1}", "--seed", str(seed))
    same = ("--set", f"model.l1={RUNS[-1][0]}", "--seed", str(RUNS[-1][1]))  # all cached
    sae("schedule", "add", "nightly", "--cron", "0 3 * * *", "--root", str(root), "--profile", profile, *same)
    sae("schedule", "add", "new-data", "--on-data-change", "--root", str(root), "--profile", profile)
    points = root.parent / "sweep.toml"
    points.write_text(POINTS)
    first = ("--seed", str(RUNS[0][1]))
    sae("sweep", "run", SWEEP, "--from", str(points), *first, "--profile", profile, "--root", str(root))
    sae("run", "--profile", profile, "--root", str(root), "--set", FAILING, check=False)
    return str(root)


@contextlib.contextmanager
def served(root: str) -> Iterator[str]:
    """Yield the address of a server of the root."""
    command = [SAE, "serve", "--port", "0", "--root", root]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        match = re.search(r"http://[^\s/]+", line)
        if match is None:
            sys.exit(line + process.stderr.read())
        try:
            yield match.group(0)
        finally:
            process.terminate()


@contextlib.contextmanager
def daemon(root: str, address: str) -> Iterator[None]:
    """Start the daemon and wait until it ran a schedule."""
    with subprocess.Popen([SAE, "schedule", "run", "--root", root], cwd=PROJECT, stderr=subprocess.DEVNULL) as process:
        try:
            sae("schedule", "trigger", "nightly", "--root", root)
            newest = {"trigger": "manual"}
            while newest["trigger"] == "manual" or newest["state"] == "running":
                time.sleep(1)
                newest = read(address, "/runs.json")["runs"][0]
            time.sleep(3)  # the outcome is recorded after the run
            yield
        finally:
            process.terminate()


def read(address: str, path: str) -> Any:
    with urllib.request.urlopen(address + path) as answer:
        return json.load(answer)


def addresses(address: str) -> dict[str, str]:
    """Return the path of each kind of page."""
    rows = read(address, "/runs.json")["runs"]
    # Points of sweeps have no report.
    succeeded = [row["id"] for row in rows if row["state"] == "succeeded" and row["trigger"] == "manual"]
    failed = next((row["id"] for row in rows if row["state"] == "failed"), succeeded[0])
    nodes = {node["node"]: node for node in read(address, f"/runs/{succeeded[0]}.json")["run"]["nodes"]}

    def output(node: str, key: str) -> str:
        return next(str(use["artifact"]["id"]) for use in nodes[node]["outputs"] if use["key"] == key)

    model, report = output("Trainer", "model"), output("Report", "report")
    return {
        "runs": "/",
        "run": f"/runs/{succeeded[0]}",
        "failed": f"/runs/{failed}",
        "node": f"/runs/{succeeded[0]}/nodes/Trainer",
        "compare": "/compare?" + "&".join(f"run={one}" for one in reversed(succeeded[: len(RUNS)])),
        "models": "/models",
        "schedules": "/schedules",
        "sweeps": "/sweeps",
        "sweep": f"/sweeps/{SWEEP}",
        "artifacts": "/artifacts",
        "model": f"/artifacts/{model}",
        "statistics": f"/artifacts/{output('StatisticsGen', 'statistics')}",
        "evaluation": f"/artifacts/{output('Evaluator', 'evaluation')}",
        "units": f"/artifacts/{report}",
        "lineage": f"/artifacts/{model}/lineage",
        "report": f"/artifacts/{report}/files/report.html",
    }


def pictures(paths: dict[str, str]) -> list[Picture]:
    """Return the pictures of the documents."""
    return [
        Picture("runs", paths["runs"], 1200),
        Picture("run", paths["run"], 2250),
        Picture("compare", paths["compare"], 2700),
        Picture("model", paths["model"], 1760),
        Picture("sweep", paths["sweep"], 1700),
        Picture("phone", paths["failed"], 1100, PHONE, dark=True),
        Picture("report", paths["report"], 2460, 1060),
        Picture("schedules", paths["schedules"], 1400),  # last: the daemon starts a run
    ]


def every_page(paths: dict[str, str]) -> list[Picture]:
    """Return a picture of every kind of page at both widths, light and dark."""
    return [
        Picture(f"{name}-{width}-{'dark' if dark else 'light'}", path, 5000, width, dark)
        for name, path in paths.items()
        for width in (WIDE, PHONE)
        for dark in (False, True)
    ]


def take(chromium: sync_api.Browser, address: str, one: Picture, path: pathlib.Path) -> None:
    """Write a picture with 256 colours, which is a third of the size."""
    page = chromium.new_page(viewport={"width": one.width, "height": 900}, color_scheme="dark" if one.dark else "light")
    page.goto(address + one.path, wait_until="networkidle")
    height = min(one.height, page.evaluate("document.documentElement.scrollHeight"))
    page.set_viewport_size({"width": one.width, "height": height})  # loads the pictures that are lazy
    page.wait_for_load_state("networkidle")
    taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": one.width, "height": height})
    page.close()
    with Image.open(io.BytesIO(taken)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
