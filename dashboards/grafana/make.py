"""Make the dashboards: `python dashboards/grafana/make.py` writes dashboards/*.json from source/*.yaml.

The problem: a dashboard's JSON is a thousand lines of which twenty are the author's; what is edited by hand there
drifts, and nobody reviews it. The rule: a source says title, question and meaning of each panel; everything else is
made, by Grafana's own library (https://github.com/grafana/grafana-foundation-sdk), so that its form is right. A test
makes them again and compares.
"""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    FieldColorModeId,
    GridPos,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.text import TextMode

HERE = Path(__file__).parent
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDE = 24
SIZES = {"lines": (12, 8), "heatmap": (12, 8), "number": (6, 4), "words": (WIDE, 4)}
"""Kind of panel → width and height, in Grafana's grid of 24 columns."""
Panel = dict[str, Any]
Drawn = timeseries.Panel | stat.Panel | heatmap.Panel


def board(source: dict[str, Any]) -> str:
    """One dashboard as JSON."""
    made = (
        dashboard.Dashboard(source["title"])
        .uid(source["uid"])
        .description(source["about"])
        .tags(["gatehouse"])
        .refresh("5s")
        .time("now-15m", "now")
        .editable()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .link(dashboard.DashboardLink("Gatehouse").type(DashboardLinkType.DASHBOARDS).tags(["gatehouse"]))
    )
    if "variable" in source:
        made.with_variable(_variable(source["variable"]))
    left = top = row = 0
    for number, panel in enumerate(source["panels"], start=1):
        width, height = _size(panel)
        if left + width > WIDE:
            left, top, row = 0, top + row, 0
        place = GridPos(h=height, w=width, x=left, y=top)
        made.with_panel(_panel(panel).id(number).grid_pos(place))
        left, row = left + width, max(row, height)
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _size(panel: Panel) -> tuple[int, int]:
    width, height = SIZES[panel.get("kind", "lines")]
    return width, panel.get("height", height)


def _variable(told: dict[str, str]) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(told["name"])
        .label(told["label"])
        .datasource(DATASOURCE)
        .query(told["query"])
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def _panel(panel: Panel) -> Any:
    kind = panel.get("kind", "lines")
    if kind == "words":
        return text.Panel().title(panel["title"]).mode(TextMode.MARKDOWN).content(panel["text"])
    kinds: dict[str, Callable[[], Drawn]] = {"lines": _lines, "number": _number, "heatmap": heatmap.Panel}
    made = kinds[kind]()
    made.title(panel["title"]).description(panel["means"]).datasource(DATASOURCE).unit(panel["unit"])
    if "colour" in panel:
        made.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(panel["colour"]))
    for letter, query in zip(string.ascii_uppercase, queries(panel), strict=False):
        made.with_target(_target(query, kind).ref_id(letter))
    return made


def queries(panel: Panel) -> list[dict[str, Any]]:
    """The questions of a panel: each an `expr`, with a `legend`."""
    if "queries" in panel:
        return list(panel["queries"])
    return [{"expr": panel["query"], "legend": panel.get("legend", "")}] if "query" in panel else []


def _target(query: dict[str, Any], kind: str) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query["expr"]).legend_format(query["legend"]).datasource(DATASOURCE)
    if kind == "heatmap":
        made.format(PromQueryFormat.HEATMAP)
    return made.exemplar(True) if query.get("exemplars") else made


def _lines() -> timeseries.Panel:
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    return timeseries.Panel().legend(legend.placement(LegendPlacement.BOTTOM)).fill_opacity(8).min(0)


def _number() -> stat.Panel:
    return stat.Panel().reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def main() -> int:
    """Write all of them."""
    for path in sorted((HERE / "source").glob("*.yaml")):
        made = board(yaml.safe_load(path.read_text()))
        (HERE / "dashboards" / f"{path.stem}.json").write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
