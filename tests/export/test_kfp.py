"""The specification of `sae export kfp` is what the SDK of Kubeflow compiles. It was not run: that needs a cluster."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.export import airflow

pytestmark = [
    pytest.mark.export,
    pytest.mark.skipif(not airflow.BIN.exists(), reason="`make setup-export` installs the SDK of Kubeflow"),
]

RUN = "sae run --profile sample --set training.epochs=1 --root /mnt/sae/pipeline_root"
TRIGGER = "--trigger 'kubeflow {{$.pipeline_job_name}}'"
JUDGED = {"Evaluator", "PushGate", "Pusher", "Report"}
IDS = {
    "ExampleGen": "example-gen",
    "SchemaGen": "schema-gen",
    "StatisticsGen": "statistics-gen",
    "ExampleValidator": "example-validator",
    "DataGate": "data-gate",
    "Transform": "transform",
    "Trainer": "trainer",
    "Encode": "encode",
    "Evaluator": "evaluator",
    "PixelProbe": "pixel-probe",
    "Probe": "probe",
    "PushGate": "push-gate",
    "Pusher": "pusher",
    "Report": "report",
}


def wanted():
    tasks, before = [], []
    for node in PIPELINE.nodes:
        command = f"{RUN} --to-node {node.name} {TRIGGER}"
        if node.name in JUDGED:
            command += " || (code=$?; [ $code -eq 4 ] || exit $code)"
        upstream = sorted({*(IDS[name] for name in node.upstream), *before})
        tasks.append({"id": IDS[node.name], "title": node.name, "command": command, "upstream": upstream})
        before = [IDS[node.name]]
    whole = {"id": "whole-run", "title": "whole_run", "command": f"{RUN} {TRIGGER}"}
    tasks.append({**whole, "upstream": ["pusher", "report"]})
    about = "The nodes of sparse_autoencoder, one after another. Written by `sae export kfp`."
    return {"name": "sparse-autoencoder", "about": about, "image": "registry/sae:1", "claim": "sae", "tasks": tasks}


@pytest.mark.parametrize("resources", [{}, {"memory": "4Gi", "cpu": "1500m"}, {"memory": "300Mi"}, {"cpu": "2"}])
def test_the_sdk_compiles_the_same(tmp_path, resources):
    written, asked = tmp_path / "pipeline.yaml", tmp_path / "wanted.json"
    options = ["--profile", "sample", "--set", "training.epochs=1", "--image", "registry/sae:1", "--claim", "sae"]
    options += [word for name, value in resources.items() for word in (f"--{name}", value)]
    done = CliRunner().invoke(cli.sae, ["export", "kfp", *options, "--to", str(written)])
    assert done.exit_code == 0, done.output
    asked.write_text(json.dumps({**wanted(), **resources}), encoding="utf-8")
    compiled = pathlib.Path(__file__).with_name("compiled.py")
    read = subprocess.run(
        [airflow.BIN / "python", compiled, written, asked], capture_output=True, text=True, check=False, env={}
    )
    assert read.returncode == 0, read.stderr[-2000:]
    ours, theirs = json.loads(read.stdout)
    assert len(ours["pipeline"]["root"]["dag"]["tasks"]) == len(PIPELINE.nodes) + 1
    assert len(ours["platform"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == len(PIPELINE.nodes) + 1
    container = ours["pipeline"]["deploymentSpec"]["executors"]["exec-trainer"]["container"]
    assert ("resources" in container) == bool(resources)
    assert ours == theirs
