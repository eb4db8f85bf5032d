"""Requests: the tail, one request in full, replay; and strangers' text, which stays text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

LONG = 60_000
MARKUP = "<img/src=x/onerror=document.title='owned'>"
TARGETS = {
    "path": ("GET", f"/products/{MARKUP}", {}),
    "method": ("XSS", "/products", {}),
    "user agent": ("GET", "/products/1", {"User-Agent": f"{MARKUP}<script>document.title='owned'</script>"}),
    "bad encoding": ("GET", "/products/%3Cscript%3Edocument.title='owned'%3C/script%3E", {}),
}
"""Where somebody could put markup so that it comes to be shown here."""


def test_the_tail_is_filtered_and_the_filter_stands_in_the_address(console: Any) -> None:
    console.shop.gatehouse("call", "nobody", "GET", "/orders/1001", code=1)
    page = console.open("#/requests?show=refused&text=token")
    first = page.locator(".tail .request").first
    expect(first).to_contain_text("token", timeout=LONG)
    assert page.locator(".tail .request:not(.refused)").count() == 0
    page.get_by_label("Outcome").select_option("fine")
    assert "show=fine" in page.url
    page.get_by_role("link", name="Clear").click()
    expect(page.locator(".tail .request.fine").first).to_be_visible(timeout=LONG)


def test_from_a_denial_to_the_line_of_the_configuration(console: Any, accessible: Any) -> None:
    told = json.loads(console.shop.gatehouse("call", "partner", "POST", "/orders", "-d", "{}", "--json", code=1))
    page = console.open(f"#/requests/{told['trace_id']}")
    denied = page.locator(".step.deny")
    expect(denied).to_contain_text("Authorize", timeout=LONG)
    expect(page.locator(".one-head")).to_contain_text("insufficient_scope")
    accessible(page)
    where = denied.locator("a").inner_text()
    denied.locator("a").click()
    area = page.get_by_label("The configuration, in YAML")
    line = int(where.rpartition(":")[2])
    expect(area).not_to_have_value("", timeout=LONG)
    assert "Authorize" in area.input_value().splitlines()[line - 1]
    expect(page.locator(".line-mark")).to_be_visible()


def test_the_waterfall_goes_from_the_gateway_to_the_sql(console: Any) -> None:
    told = json.loads(console.shop.gatehouse("call", "alice", "GET", "/orders", "--json"))
    page = console.open(f"#/requests/{told['trace_id']}")
    expect(page.locator(".span .name", has_text="try 1: orders")).to_be_visible(timeout=LONG)
    query = page.locator(".span", has_text="db.read").first
    expect(query).to_be_visible(timeout=LONG)
    query.locator("summary").click()
    expect(query.locator(".sql")).to_contain_text("SELECT")


def test_a_request_is_copied_as_curl_and_sent_again(console: Any) -> None:
    told = json.loads(console.shop.gatehouse("call", "alice", "GET", "/orders", "--json"))
    page = console.open(f"#/requests/{told['trace_id']}")
    page.get_by_role("button", name="Copy as curl").click(timeout=LONG)
    command = page.evaluate("navigator.clipboard.readText()")
    assert command.startswith("curl -i 'http://127.0.0.1:")
    assert "$(gatehouse token alice" in command
    page.get_by_role("button", name="Replay").click()
    dialog = page.get_by_role("dialog", name="Send it again")
    dialog.get_by_label("Path and query").fill("/orders/1002")
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(dialog.locator(".result")).to_contain_text("not_owner", timeout=LONG)
    dialog.get_by_role("link", name="What happened to it").click()
    expect(page.locator(".one-head")).to_contain_text("/orders/1002", timeout=LONG)


@pytest.mark.parametrize("place", TARGETS)
def test_what_strangers_send_is_shown_as_text(console: Any, place: str) -> None:
    method, target, headers = TARGETS[place]
    request = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    request += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    console.shop.raw(f"{request}\r\n".encode())
    page = console.open("#/requests?text=/products")
    expect(page.locator(".tail .request").first).to_be_visible(timeout=LONG)
    for part in ("overview", "requests", "routes"):
        console.open(f"#/{part}")
        assert page.locator("#page img, #page script").count() == 0
        assert "owned" not in page.title()
