"""The hosted step: a page of the third party on which a customer pays, or does not."""

from __future__ import annotations

from html import escape
from typing import Final

from sample_services.payments.store import Payment

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>payments.example</title>
<style>
body{{font:1rem/1.5 system-ui;max-width:30rem;margin:10vh auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1rem}}
</style>
<h1>payments.example</h1>
<p>A third party&rsquo;s page, outside of the shop. No money moves.</p>
<p><strong>{amount} {currency}</strong> for {reference}</p>
{rest}
</html>
"""
_BUTTONS: Final = """<form method="post"><button name="outcome" value="paid">Pay</button>
<button name="outcome" value="failed">Decline</button></form>"""
_DECIDED: Final = {"paid": "Paid. Thank you.", "failed": "The payment has failed."}


def page(payment: Payment) -> str:
    """The page for one payment; whatever the merchant sent is text on it."""
    amount = f"{payment.amount // 100}.{payment.amount % 100:02d}"
    rest = f"<p>{_DECIDED[payment.status]}</p>" if payment.status in _DECIDED else _BUTTONS
    return _PAGE.format(
        amount=amount, currency=escape(payment.currency), reference=escape(payment.reference), rest=rest
    )
