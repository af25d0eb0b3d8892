"""The report of a run."""

from __future__ import annotations

import base64
import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from components import json_text
from pipeline.core.errors import NotFoundError, UnavailableError, UsageError
from pipeline.core.text import number_text
from sae import html
from sae.names import ByName

if TYPE_CHECKING:
    from components.report.page import ReportData

_LIGHT = "-light.png"


@dataclasses.dataclass(frozen=True)
class RunReport:
    """The report of a run.

    Attributes:
      run: the run's id.
      folder: of its files.
      history: the file with the losses of each epoch; None if the run has none.
    """

    run: str
    folder: pathlib.Path
    history: pathlib.Path | None = None

    @property
    def path(self) -> pathlib.Path:
        """The page, which needs no network."""
        return self._file("report.html")

    @property
    def summary(self) -> Mapping[str, Any]:
        """The numbers of the report: metrics, metrics by label, test images, units."""
        return self._numbers("summary.json")

    @property
    def units(self) -> Mapping[str, Any]:
        """The numbers of the units that the report shows in detail; docs/model.md lists the keys."""
        return self._numbers("units.json")

    @property
    def figures(self) -> Mapping[str, pathlib.Path]:
        """The figures on a light background, as PNG files, by name."""
        found = {path.name.removesuffix(_LIGHT): path for path in sorted(self.folder.glob(f"*{_LIGHT}"))}
        return ByName(found, "figure", self._name)

    def save_figures(
        self, folder: str | os.PathLike[str], formats: str | Iterable[str] = ("svg", "pdf")
    ) -> list[pathlib.Path]:
        """Write the figures as files for papers, on white; return the files.

        Args:
          folder: is created if it does not exist; files of the same names are replaced.
          formats: `svg`, `pdf` or `png`, or several.

        Raises:
          UsageError: there is no such format.
          NotFoundError: a file of the report, or the losses of the epochs, are missing.
          UnavailableError: a file is damaged.
        """
        from components.report import export  # imports matplotlib

        given = [formats] if isinstance(formats, str) or not isinstance(formats, Iterable) else list(formats)
        if unknown := [one for one in given if one not in export.FORMATS]:
            raise UsageError(f"no format {unknown[0]!r} (there are: {', '.join(export.FORMATS)})")
        return export.write_figures(self._data(), _created(folder), given, self.folder)

    def save_tables(self, folder: str | os.PathLike[str]) -> list[pathlib.Path]:
        """Write metrics, metrics by label, losses by epoch and units as CSV files; return the files.

        Of the units that the report shows in detail also their strongest test images and their profiles by label.

        Args:
          folder: is created if it does not exist; files of the same names are replaced.

        Raises:
          NotFoundError, UnavailableError: as for `save_figures`.
        """
        from components.report import export

        return export.write_tables(self._data(), _created(folder))

    def _data(self) -> ReportData:
        from components.report import export

        if self.history is None or not self.history.is_file():
            where = f": {self.history}" if self.history else ""
            raise NotFoundError(f"the losses of the epochs of run {self.run} are missing{where}")
        summary = dict(self.summary)  # whose errors name only what is missing
        try:
            history = json_text.parse(self.history.read_text(encoding="utf-8"))
            return export.read_report(summary, history, self.folder)
        except (KeyError, TypeError, ValueError, OSError) as error:
            reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
            raise UnavailableError(f"{self._name} in {self.folder} is damaged: {reason}") from error

    @property
    def _name(self) -> str:
        return f"the report of run {self.run}"

    def _numbers(self, name: str) -> Mapping[str, Any]:
        return ByName(json_text.parse(self._file(name).read_text(encoding="utf-8")), "entry", self._name)

    def _file(self, name: str) -> pathlib.Path:
        path = self.folder / name
        if not path.is_file():
            raise NotFoundError(f"{self._name} has no file {name}: {path}")
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


def _created(folder: str | os.PathLike[str]) -> pathlib.Path:
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _encoded(path: pathlib.Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
