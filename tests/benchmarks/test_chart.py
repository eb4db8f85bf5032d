"""The chart is SVG that a browser takes, with bars in proportion."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks.chart import LEFT, RIGHT, WIDTH, chart
from benchmarks.report import Report

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawn(report: Report) -> ET.Element:
    return ET.fromstring(chart(report))


def test_bars_are_in_proportion_and_void_rows_have_none(drawn: ET.Element) -> None:
    bars = {bar.get("class"): int(bar.get("width", "0")) for bar in drawn.iter(f"{SVG}rect")}
    assert bars["bar"] == WIDTH - LEFT - RIGHT
    assert bars["own"] == bars["bar"] / 2
    assert len(list(drawn.iter(f"{SVG}rect"))) == 3  # the ground, and two rows that count


def test_words_are_escaped_and_all_there(drawn: ET.Element) -> None:
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert "a <plain> proxy & nothing else" in texts
    assert {"gatehouse", "envoy", "nginx", "void", "30.0", "60.0"} <= set(texts)


def test_everything_lies_inside_the_picture(drawn: ET.Element) -> None:
    height = int(drawn.get("height", "0"))
    for element in drawn.iter():
        assert int(element.get("y", "0")) <= height
        if element.tag == f"{SVG}rect":
            assert int(element.get("x", "0")) + int(element.get("width", "0")) <= WIDTH
