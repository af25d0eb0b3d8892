"""The text of a specification for Kubeflow Pipelines. tests/export reads it with the SDK of Kubeflow."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex

import pytest

from pipeline.core.errors import UsageError
from pipeline.export import kfp
from pipeline.scheduler.types import Work
from pipeline.sparse_autoencoder.definition import PIPELINE
from tests.second_pipeline.definition import PIPELINE as SECOND


def request(work=None, **changed):
    return dataclasses.replace(kfp.KfpRequest("", work or Work("sample"), "registry/sae:1", "claim"), **changed)


def commands(text):
    """The command of each task."""
    return [json.loads(line) for line in re.findall(r'^ {8}- (".*sae.*")$', text, re.MULTILINE)]


def test_each_node_is_a_command_on_the_root_in_the_volume():
    found = commands(kfp.specification(PIPELINE, request()))
    root = ["sae", "run", "--profile", "sample", "--root", "/mnt/sae/pipeline_root"]
    trigger = ["--trigger", "kubeflow {{$.pipeline_job_name}}"]
    plain = [shlex.split(command.partition(" || ")[0]) for command in found]
    assert plain == [*([*root, "--to-node", name, *trigger] for name in PIPELINE.names), [*root, *trigger]]
    judged = [command.partition("--to-node ")[2].split()[0] for command in found if " || " in command]
    assert judged == ["Evaluator", "PushGate", "Pusher", "Report"]


def test_another_pipeline_is_named_in_the_command():
    other = dataclasses.replace(SECOND, location="tests.x:P")
    assert all(
        command.startswith("sae --pipeline tests.x:P run ") for command in commands(kfp.specification(other, request()))
    )


def test_another_root_moves_the_volume():
    text = kfp.specification(PIPELINE, request(root="/a b/root"))
    assert text.count('mountPath: "/a b"') == len(PIPELINE.nodes) + 1
    assert 'value: "/a b/tensorflow_datasets"' in text
    assert "--root '/a b/root'" in text


def test_tasks_run_one_after_another():
    text = kfp.specification(PIPELINE, request())
    blocks = re.findall(r"^ {6}([a-z-]+):\n {8}cachingOptions(.*?)taskInfo", text, re.MULTILINE | re.DOTALL)
    ids = [name for name, _ in blocks]
    assert ids[:3] == ["example-gen", "schema-gen", "statistics-gen"]
    assert ids[-1] == "whole-run"
    for before, (_, block) in zip(ids, blocks[1:], strict=False):
        assert f"        - {before}\n" in block


def resources(text):
    """The resources of each task, by name."""
    blocks = re.findall(r"^ {8}resources:\n((?: {10}.*\n)+)", text, re.MULTILINE)
    return [dict(line.strip().split(": ") for line in block.splitlines()) for block in blocks]


def test_each_task_requests_memory_and_processors():
    assert resources(kfp.specification(PIPELINE, request(memory="3Gi", cpu="1500m"))) == [
        {
            "cpuRequest": "1.5",
            "memoryLimit": "3.221225472",
            "memoryRequest": "3.221225472",
            "resourceCpuRequest": '"1500m"',
            "resourceMemoryLimit": '"3Gi"',
            "resourceMemoryRequest": '"3Gi"',
        }
    ] * (len(PIPELINE.nodes) + 1)


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"cpu": "2"}, {"cpuRequest": "2.0", "resourceCpuRequest": '"2"'}),
        ({"cpu": "0.25"}, {"cpuRequest": "0.25", "resourceCpuRequest": '"0.25"'}),
        ({"memory": "500M"}, {**dict.fromkeys(("memoryLimit", "memoryRequest"), "0.5"),
                              **dict.fromkeys(("resourceMemoryLimit", "resourceMemoryRequest"), '"500M"')}),
        ({"memory": "1T"}, {**dict.fromkeys(("memoryLimit", "memoryRequest"), "1000.0"),
                            **dict.fromkeys(("resourceMemoryLimit", "resourceMemoryRequest"), '"1T"')}),
    ],
)  # fmt: skip
def test_what_is_not_asked_for_is_left_to_the_cluster(changed, fields):
    assert resources(kfp.specification(PIPELINE, request(**changed)))[0] == fields
    assert "esources" not in kfp.specification(PIPELINE, request())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "A b"}, "--name"),
        ({"root": "/root"}, "--root /root"),
        ({"root": "relative/root"}, "--root relative/root"),
        *(({"root": root}, "is not allowed") for root in ("/a/../root", "/a:b/root", "/a\nb/root")),
        *(({"image": image}, "--image") for image in ("a b", "a\n", "{{$.x}}", '"', "\u00fc:1", "-a")),
        *(({"claim": claim}, "--claim") for claim in ("A", "a b", "a\nb", "a-", "{{$", "x" * 254)),
        *(({"memory": size}, "--memory") for size in ("4", "4GB", "4gi", "0Gi", "-1Gi", "1.5Gi", "4Gi\n", "{{$.x}}")),
        *(
            ({"cpu": number}, "--cpu")
            for number in ("0", "0m", "0.0", "-1", "1.", ".5", "1.5m", "0.0001", "2\n", "two")
        ),
        ({"work": Work("sample", assignments=("data.data_dir=/{{$.x}}",))}, "Kubeflow replaces"),
    ],
)
def test_what_kubeflow_cannot_have_is_refused(changed, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        kfp.specification(PIPELINE, request(**changed))


@pytest.mark.parametrize(
    ("name", "written"),
    [("ExampleGen", "example-gen"), ("sparse_autoencoder", "sparse-autoencoder"), ("A.b__C2D", "a-b-c2-d")],
)
def test_names(name, written):
    assert kfp.kebab(name) == written


def test_nodes_whose_names_become_equal_stay_apart():
    nodes = [dataclasses.replace(SECOND.nodes[0], name=name) for name in ("A_b", "A.b")]
    text = kfp.specification(dataclasses.replace(SECOND, nodes=tuple(nodes)), request())
    assert re.findall(r"^  comp-(.*):$", text, re.MULTILINE) == ["a-b", "a-b-2", "whole-run"]
