"""`sae doctor`. It imports no package that it checks, so that it works where one of them is broken."""

from __future__ import annotations

from typing import Any

import click

from pipeline.cli import output
from pipeline.cli.options import json_option, request, setting_options
from pipeline.core import settings
from pipeline.core.errors import ExitCode
from pipeline.maintenance import doctor
from pipeline.terminal import doctor as text
from pipeline.terminal import json_documents


@click.command("doctor")
@setting_options
@json_option
def doctor_command(as_json: bool, **options: Any) -> None:
    """Check interpreter, packages, engine, disk and data; print what is wrong and what to do."""
    checks = doctor.examine(settings.resolve(request(**options)).config)
    if as_json:
        output.write_json(json_documents.doctor(checks))
    else:
        output.write(text.as_text(checks))
    if not all(check.good for check in checks):
        raise SystemExit(int(ExitCode.ENVIRONMENT))
