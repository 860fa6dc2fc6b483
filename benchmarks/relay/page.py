"""The run as one file for a browser: the machine, the figures, the picture, the tables. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from benchmarks.figures import Figure
from benchmarks.relay.report import Table

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1f23; max-width: 1180px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums } img { max-width: 100% }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #e3e6e8; text-align: left; vertical-align: top }
th { background: #f4f6f7 } td:not(:first-child) { white-space: nowrap } .note td:last-child { white-space: normal }
.yes { color: #0b6e4f; font-weight: 600 } .no { color: #b3261e; font-weight: 600 } .scroll { overflow-x: auto }
"""
_VERDICTS: Final = {None: "", True: '<span class="yes">yes</span>', False: '<span class="no">no</span>'}


def page(
    facts: Mapping[str, Any], figures: Sequence[Figure], tables: Iterable[Table], picture: bytes, notes: Iterable[str]
) -> str:
    image = base64.b64encode(picture).decode()
    parts = [
        "<h1>Vecferry beside Envoy and nginx</h1>",
        "<p>One run on one machine: the same upstream, the same calls, the proxies in short turns.</p>",
        _machine(facts),
        "<h2>Figures and their goals</h2>",
        _figures(figures),
        "<h2>What to know</h2>",
        f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>",
        f'<img alt="cost, throughput, memory and tails" src="data:image/png;base64,{image}">',
        *(f"<h2>{escape(table.title)}</h2>{_table(table.columns, table.rows)}" for table in tables),
    ]
    head = f'<meta charset="utf-8"><title>Vecferry beside Envoy and nginx</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _machine(facts: Mapping[str, Any]) -> str:
    rows = [(name, _words(value)) for name, value in _flat(facts)]
    return f"<h2>Machine and versions</h2>{_table((), rows)}"


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            yield name.replace("_", " "), value


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _figures(figures: Sequence[Figure]) -> str:
    rows = "".join(
        f"<tr><td>{escape(figure.name)}</td><td>{'-' if figure.value is None else f'{figure.value:.3g}'} {figure.unit}</td>"
        f"<td>{escape(str(figure.goal or ''))}</td><td>{_VERDICTS[figure.met]}</td><td>{escape(figure.note)}</td></tr>"
        for figure in figures
    )
    head = "".join(f"<th>{name}</th>" for name in ("figure", "value", "goal", "met", "note"))
    return f'<div class="scroll"><table class="note"><tr>{head}</tr>{rows}</table></div>'


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in columns)}</tr>" if columns else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{head}{body}</table></div>'
