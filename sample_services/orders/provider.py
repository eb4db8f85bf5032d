"""payments.example as orders sees it: a third party. Its answers are read as those of a stranger.

OWASP API10:2023, unsafe consumption of APIs: no redirects, 16 KiB at most, 5 seconds at most (kit/client.py), no trace
or deadline of ours on the way, JSON of the form that was agreed, and the values that we asked for. Anything else is 502
`peer_error`, and nothing of it is stored or shown.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from sample_services.kit.client import HttpClient, PeerError, PeerUnavailable
from sample_services.kit.problems import Problem
from sample_services.orders import planted
from sample_services.orders.paying import Payment, Wanted

PEER: Final = "payments"
MAX_ANSWER: Final = 16_384
AWAY: Final = (502, 503, 504)
"""What stands between us says so, or the provider itself: there is no answer of it."""

ProviderId = Annotated[str, StringConstraints(pattern=r"^pay_[0-9a-f]{32}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^order-[0-9]{1,16}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Facts(_Strict):
    """What the provider says of a payment, in answers and in webhooks."""

    id: ProviderId
    reference: Reference
    amount: Annotated[int, "minor units"]
    currency: Currency


class _Made(Facts):
    status: Literal["open"]
    pay_url: Annotated[str, StringConstraints(max_length=200)]


class Hook(_Strict):
    """A webhook's body."""

    type: Literal["payment.paid", "payment.failed"]
    data: Facts


class PaymentUnavailable(Problem):
    """What customers are told: their order is safe, and is not paid."""

    def __init__(self) -> None:
        detail = "Your order stands, and is not paid yet: payments cannot be taken at the moment. Try again later."
        super().__init__(503, "payment_unavailable", detail, headers={"Retry-After": "30"}, peer=PEER)


class Provider:
    """Asks for payments; `pages_url` is the one address that customers may be sent to."""

    def __init__(self, http: HttpClient, key: str, pages_url: str, *, trusting: bool = False) -> None:
        self._trusting = trusting
        self._http = http
        self._key = key
        self._pages = f"{pages_url.rstrip('/')}/pay/"

    async def create(self, wanted: Wanted) -> Payment:
        """A payment for an order; the same one when it was asked for before.

        Raises:
            PaymentUnavailable: no answer in time, or nothing goes to the provider now (the way out is shut).
            PeerError: an answer that cannot be trusted.
        """
        order = wanted.order
        body = {"reference": wanted.reference, "amount": order.total, "currency": order.currency}
        try:
            answer = await self._http.request(
                PEER, "POST", "/payments", token=self._key, json=body, headers={"Idempotency-Key": wanted.key},
                third_party=True, limit=MAX_ANSWER,
            )  # fmt: skip
        except PeerUnavailable:
            raise PaymentUnavailable from None
        if self._trusting:
            return planted.as_it_came(answer)
        if answer.status in AWAY:
            raise PaymentUnavailable
        if answer.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            answer.expect(201)
            raise PeerError(PEER, "did not answer with JSON")
        try:
            made = _Made.model_validate_json(answer.expect(201).body)
        except ValidationError:
            raise PeerError(PEER, "answered against its contract") from None
        if (made.reference, made.amount, made.currency) != (wanted.reference, order.total, order.currency):
            raise PeerError(PEER, "answered about something else than it was asked for")
        if made.pay_url != self._pages + made.id:
            raise PeerError(PEER, "would send customers elsewhere")
        return Payment(made.id, made.status, made.pay_url)
