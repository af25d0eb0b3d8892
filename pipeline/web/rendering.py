"""Views of pages as HTML and as JSON. Autoescape is on: everything that comes from a store is text."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import html
import importlib.util
import os
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

import jinja2

from components.evaluation.metrics import reworded
from pipeline.core import serialization
from pipeline.core.pipeline_root import Root
from pipeline.core.suggestions import Selection
from pipeline.core.text import bytes_text, counted, error_line, escaped_lines, short_digest
from pipeline.inspection import run_filter
from pipeline.scheduler import run_trigger
from pipeline.web import formatting, pages
from pipeline.web.charts.scales import number
from pipeline.web.charts.state_icons import Html, state_class, state_mark
from pipeline.web.pages.base import Page, PageRequest
from pipeline.web.urls import Links, reference, schedule_id

_TEMPLATES = pathlib.Path(__file__).parent / "templates"
_SHOWN = re.compile(r"""(?<=>)[^<>]+(?=<)|(?<=title=")[^"]+""")
_WORDING = "pipeline.scheduler.wording"
# What commands on the page that this thread renders must select; macros of templates have no other access to it.
_selected = contextvars.ContextVar[Selection]("_selected")


class _CompiledTemplates(jinja2.FileSystemBytecodeCache):
    """Keeps compiled templates where Python keeps compiled modules: to compile those of the first page takes 0.1 s."""

    def __init__(self) -> None:
        compiled = pathlib.Path(importlib.util.cache_from_source(str(_TEMPLATES / "template.py")))
        super().__init__(str(compiled.parent), f"%s{compiled.suffixes[0]}")

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return name

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except Exception:  # for a damaged file, pickle raises many kinds; others where no folder can be
            bucket.reset()

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):  # an installation that cannot be written
                os.makedirs(self.directory, exist_ok=True)
                super().dump_bytecode(bucket)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        bytecode_cache=_CompiledTemplates(),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=formatting.duration,
        moment=formatting.moment,
        decimal=formatting.decimal,
        run_metric_title=formatting.run_metric_title,
        size=bytes_text,
        digest=short_digest,
        shorten=formatting.cut,
        error_line=error_line,
        words=formatting.words,
        capitalized=formatting.capitalized,
        insentence=formatting.in_sentence,
        reworded=reworded,
        commands=_commands,
        reference=reference,
        schedule_id=schedule_id,
        stamp=_late(_WORDING, "stamp"),
        trigger=run_trigger.parse,
        tick_run=_late(_WORDING, "run_of"),
        tick_reason=_late(_WORDING, "reason"),
        tick_short_reason=_late(_WORDING, "short_reason"),
        number=number,
        setting=run_filter.short_setting,
    )
    environment.globals.update(
        count=counted,
        state_mark=state_mark,
        state_class=state_class,
        setting_titles=run_filter.titles,
        section_chart=_late("pipeline.web.pages.charts", "of_section"),
        histogram=_late("pipeline.web.charts.histogram", "histogram"),
    )
    return environment


def prepare() -> None:
    """Import the first page and compile its template, which takes longer than to render it."""
    page = pages.named(next(iter(pages.PATHS)))
    for name in (f"{page.name}.html", "base.html", "parts.html"):
        _environment().get_template(name)


def _late(module: str, name: str) -> Callable[..., Any]:
    """Return a function whose module is imported when it is called: only some pages do."""

    def call(*given: Any, **options: Any) -> Any:
        return getattr(importlib.import_module(module), name)(*given, **options)

    return call


def _commands(text: str) -> Html:
    """Mark up the commands that a message has between backticks as code, with the options that select this root."""
    text = _selected.get().completed(text)
    parts = [html.escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # a backtick without another one
        return Html(html.escape(text))
    return Html("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))


def _visible(page: str) -> str:
    """Write control characters and direction marks in texts and tooltips as codes, as on a terminal."""
    return _SHOWN.sub(lambda match: escaped_lines(match.group()), page)


def page_html(page: Page, view: Any, request: PageRequest, to: Links, path: str) -> str:
    """Render a page as HTML.

    Args:
      page: which.
      view: result of its `build`.
      request: that is answered.
      to: writes addresses.
      path: of this page, encoded, with its query: for the link to its JSON.
    """
    _selected.set(request.selected)
    template = _environment().get_template(f"{page.name}.html")
    drawings = page.draw(view, to, request.metrics)
    html_text = template.render(
        view=view,
        to=to,
        metrics=request.metrics,
        store=request.store,
        place=page.name,
        alone=request.root is None,
        has_sweeps=_has_sweeps(request.root),
        json_link=to.json(path),
        **drawings,
    )
    return _visible(html_text)


def _has_sweeps(root: Root | None) -> bool:
    if root is None or not root.sweeps.is_dir():
        return False
    from pipeline.sweeps import files  # not for roots without sweeps

    return bool(files.names(root))


def page_json(name: str, view: Any) -> str:
    """Render a view as one JSON object, with the name of the page."""
    return serialization.document({"page": name, **serialization.jsonable(view)}) + "\n"


def error_html(title: str, text: str, store: str, to: Links, selected: Selection) -> str:
    """Render an error as a page."""
    _selected.set(selected)
    template = _environment().get_template("error.html")
    values = {"title": title, "text": text, "store": store}
    return _visible(template.render(**values, to=to, place="", has_sweeps=False, json_link=""))


def error_json(status: int, text: str) -> str:
    """Render an error as one JSON object."""
    return serialization.document({"error": text, "status": status}) + "\n"
