"""Sweeps for tests: their definitions from the texts of options, and the runs of their points."""

import pytest

from pipeline.core import settings
from pipeline.inspection.locations import open_reader
from pipeline.metadata import run_properties
from pipeline.metadata import sweep_trigger as trigger
from pipeline.sparse_autoencoder.definition import PIPELINE
from pipeline.sweeps import files, new_definition, results, space
from pipeline_config import PipelineConfig
from tests.builders.roots import Recorded, set_properties


def axes(*texts):
    return [space.axis(one, "--over", PipelineConfig) for one in texts]


def made(*assigned, name="l1", over=("model.l1=0,1e-3",), search=(), profile="sample", **more):
    base = settings.resolve(settings.Request(profile, assignments=assigned), environ={})
    searched = [space.search(one, "--search", PipelineConfig) for one in search]
    return new_definition.make(name, PIPELINE, base, over=axes(*over), search=searched, **more)


def grouped(*groups, over=(), **more):
    """Make a definition with groups of settings that only belong together."""
    return made(over=over, groups=[axes(*group) for group in groups], **more)


def defined(root, name="l1", over=("model.l1=0,1e-4,1e-3",), assigned=(), **more):
    """Define a sweep in a root."""
    found = made(*assigned, name=name, over=over, **more)
    files.write(root, found)
    return found


class Points:
    """A root with runs of the points of a sweep."""

    def __init__(self, folder) -> None:
        self.recorded = Recorded(folder)
        self.root = self.recorded.root
        self.count = 0

    def run(self, point, sweep="l1", properties=(), varied=(), **fields):
        self.count += 1
        run_id = f"20261127-0000{self.count:02}"
        kept = {"trigger": trigger.as_text(sweep, point), "state": "succeeded", "seconds": 10.0, **fields}
        self.recorded.run(run_id, names=["ExampleGen"])
        self.recorded.end(run_id, **{name: value for name, value in kept.items() if value is not None})
        context = self.recorded.writer.store.get_context_by_type_and_name("pipeline_run", run_id)
        set_properties(
            context.custom_properties, {**run_properties.settings_properties(dict(varied)), **dict(properties)}
        )
        self.recorded.writer.store.put_contexts([context])
        return run_id

    def read(self, name="l1"):
        with open_reader(PIPELINE, None, self.root) as reader:
            return results.read(self.root, PIPELINE, reader, name)

    def rows(self):
        with open_reader(PIPELINE, None, self.root) as reader:
            return results.rows(self.root, PIPELINE, reader, pytest.fail)
