"""A run as one picture: a panel of bars for each workload, written as SVG by hand.

The problem: a chart with one axis for microseconds and megabytes says nothing. The rule: each panel has its own
scale from zero, its unit in its heading, and the value beside each bar; void rows have no bar and say why not.
Colours come from the viewer's light or dark scheme.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.model import Row, Workload
from benchmarks.report import Report, number
from benchmarks.targets import UNITS

WIDTH, PANEL_GAP, BAR, GAP, LEFT, RIGHT = 760, 26, 16, 6, 210, 90
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 } .head { font-weight: 600 }
  .about { font-size: 12px; fill: #59636e }
  .bar { fill: #8c959f } .own { fill: #0969da } .ground { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .about { fill: #9198a1 }
    .bar { fill: #656c76 } .own { fill: #4493f8 } .ground { fill: #0d1117 }
  }
"""
LESS, MORE = "less is better", "more is better"
_MORE_IS_BETTER = ("mib_per_cpu_second", "messages_per_cpu_second", "rate")


def chart(report: Report) -> str:
    """An SVG document."""
    y, parts = 34, []
    for workload in report.workloads:
        panel, y = _panel(workload, report.rows_of(workload), y)
        parts += panel
    title = "Gatehouse and the proxies that people know, at the same work"
    about = " · ".join(report.machine.get(key, "") for key in ("cpu", "cores", "date"))
    size = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title><desc>{escape(about)}</desc><style>{STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{y}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _panel(workload: Workload, rows: Sequence[Row], y: int) -> tuple[list[str], int]:
    """One workload's bars; and where the next begins."""
    better = MORE if workload.metric in _MORE_IS_BETTER else LESS
    parts = [_text(16, y, f"{workload.name}: {UNITS[workload.metric]}, {better}", "class='head'")]
    parts.append(_text(16, y + 17, workload.about, "class='about'"))
    y += 28
    largest = max((row.values.get(workload.metric, 0.0) for row in rows if not row.void), default=0.0)
    for row in rows:
        parts += _bar(workload, row, largest, y)
        y += BAR + GAP
    return parts, y + PANEL_GAP


def _bar(workload: Workload, row: Row, largest: float, y: int) -> list[str]:
    label = _text(LEFT - 8, y + 13, row.name, "text-anchor='end'")
    value = row.values.get(workload.metric)
    if row.void or value is None:
        return [label, _text(LEFT, y + 13, "void", "class='about'")]
    width = max(1, round(max(value, 0.0) / largest * (WIDTH - LEFT - RIGHT))) if largest > 0 else 1
    kind = "own" if row.name.startswith("gatehouse") else "bar"
    return [
        label,
        f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width}" height="{BAR}" rx="2"/>',
        _text(LEFT + width + 6, y + 13, number(value), ""),
    ]


def _text(x: int, y: int, text: str, attributes: str) -> str:
    return f"<text x='{x}' y='{y}' {attributes}>{escape(text)}</text>"
