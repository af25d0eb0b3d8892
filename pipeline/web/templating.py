"""Templates to HTML. Autoescape is on: all that comes from a store is text."""

from __future__ import annotations

import functools
import html
from typing import Any

import jinja2

from pipeline.scheduler import run_trigger, wording
from pipeline.web import charts
from pipeline.web import formatting as texts
from pipeline.web.pages.base import Asked, Page
from pipeline.web.urls import Links, reference, schedule_id


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=texts.duration,
        moment=texts.moment,
        decimal=texts.decimal,
        metric=texts.metric,
        size=texts.size,
        digest=texts.short_digest,
        shorten=texts.cut,
        words=texts.words,
        commands=_commands,
        reference=reference,
        schedule_id=schedule_id,
        stamp=wording.stamp,
        trigger=run_trigger.parse,
        tick_run=wording.run_of,
        tick_reason=wording.reason,
        number=charts.number,
    )
    environment.globals.update(
        delta=texts.delta, count=texts.count, state_mark=charts.state_mark, state_class=charts.state_class
    )
    return environment


def _commands(text: str) -> charts.Html:
    """A sentence of ours, in which commands stand between backticks as on a terminal: here they look like code."""
    parts = [html.escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # a backtick without another one
        return charts.Html(html.escape(text))
    return charts.Html("".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts)))


def page(page: Page, view: Any, asked: Asked, to: Links, path: str) -> str:
    """A page as HTML.

    Args:
      page: which.
      view: what its `build` gave.
      asked: the request.
      to: how addresses are written.
      path: of this page, encoded, with its query: for the link to its twin.
    """
    return (
        _environment()
        .get_template(f"{page.name}.html")
        .render(view=view, to=to, store=asked.store, place=page.name, twin=to.twin(path), **page.draw(view, to))
    )


def problem(title: str, text: str, store: str, to: Links) -> str:
    """A page that says what went wrong."""
    return (
        _environment()
        .get_template("problem.html")
        .render(title=title, text=text, store=store, to=to, place="", twin="")
    )
