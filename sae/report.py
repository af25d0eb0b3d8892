"""The report of a run."""

from __future__ import annotations

import base64
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from components import json_text
from pipeline.core.errors import NotFoundError
from pipeline.core.text import number_text
from sae import html

_LIGHT = "-light.png"


@dataclasses.dataclass(frozen=True)
class RunReport:
    """The report of a run.

    Attributes:
      run: the run's id.
      folder: of its files.
    """

    run: str
    folder: pathlib.Path

    @property
    def path(self) -> pathlib.Path:
        """The page, which needs no network."""
        return self._file("report.html")

    @property
    def summary(self) -> Mapping[str, Any]:
        """The numbers of the report: metrics, metrics by label, test images, units."""
        found = json_text.parse(self._file("summary.json").read_text(encoding="utf-8"))
        return dict(found)

    @property
    def figures(self) -> Mapping[str, pathlib.Path]:
        """The figures on a light background, as PNG files, by name."""
        return {path.name.removesuffix(_LIGHT): path for path in sorted(self.folder.glob(f"*{_LIGHT}"))}

    def _file(self, name: str) -> pathlib.Path:
        path = self.folder / name
        if not path.is_file():
            raise NotFoundError(f"the report of run {self.run} has no file {name}: {path}")
        return path

    def _repr_html_(self) -> str:
        summary = self.summary
        verdict = "blessed" if summary.get("blessed") else "not blessed"
        reasons = "; ".join(summary.get("reasons", ()))
        rows = [(name, number_text(value)) for name, value in summary.get("metrics", {}).items()]
        pictures = "".join(
            f'<p><img alt="{name}" style="max-width:100%" src="data:image/png;base64,{_encoded(path)}"></p>'
            for name, path in self.figures.items()
        )
        heading = html.element("h4", f"report of run {self.run}: {verdict}")
        return heading + html.element("p", reasons) * bool(reasons) + html.table(["metric", "value"], rows) + pictures


def _encoded(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
