"""`sae config show`: settings as a TOML file for `--config`."""

from __future__ import annotations

import json

from pipeline.core.text import UNSAFE
from pipeline_config import Configuration, Value


def as_text(config: Configuration, origins: dict[str, str]) -> str:
    """Return a TOML file, with the origin, meaning and unit of each value in a comment.

    A setting that has no effect with the others is a comment, because a file that gives it is refused.
    """
    values = config.values()
    lines = []
    for name, section in config.sections().items():
        lines.append(f"[{name}]")
        settings_of_section = section.settings()
        texts = [
            f"{'' if config.has_effect(one.name) else '# '}{key} = {_toml_value(values[one.name])}"
            for key, one in settings_of_section.items()
        ]
        width = max(map(len, texts))
        for text, one in zip(texts, settings_of_section.values(), strict=True):
            unit = f" ({one.unit})" if one.unit else ""
            lines.append(f"{text:<{width}}  # ({origins[one.name]}) {one.meaning}{unit}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _toml_value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):  # JSON's text is TOML's basic string
        return UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(value, ensure_ascii=False))
    return repr(value)  # Python writes floats, and inf, as TOML does
