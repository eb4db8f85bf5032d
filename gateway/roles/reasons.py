"""The local replies of an exchange that found no way to an answer: one table, from reason to reply.

Statuses follow RFC 9110 §15.6: 502 for a broken upstream answer, 503 when there is nobody to ask, 504 for time-outs.
Each reason stands in docs/problems.md with what to do about it.
"""

from __future__ import annotations

from typing import Final

from gateway.http.messages import Reply

NO_ROUTE: Final = Reply(404, "no_route", "no route matches this host, path and method")
UNAVAILABLE: Final = {
    "no_endpoint": Reply(503, "no_endpoint", "the service behind this route has no endpoint at the moment"),
    "no_healthy_endpoint": Reply(503, "no_healthy_endpoint", "nothing behind this route is well at the moment"),
    "dns_failure": Reply(503, "dns_failure", "the host's name cannot be resolved at the moment"),
    "egress_host_denied": Reply(403, "egress_host_denied", "this host is none of those that may be called from here"),
    "egress_port_denied": Reply(403, "egress_port_denied", "this port is none of those that may be called from here"),
    "egress_address_denied": Reply(403, "egress_address_denied", "the host's address is none that may be connected to"),
    "egress_overflow": Reply(503, "egress_overflow", "as many hosts as may be are called at the moment"),
    "upstream_overflow": Reply(503, "upstream_overflow", "the service behind this route has more to do than it may"),
    "upstream_connect_failure": Reply(503, "upstream_connect_failure", "the service behind this route is not there"),
    "upstream_connect_timeout": Reply(504, "upstream_connect_timeout", "the service did not accept in time"),
    "upstream_tls_failure": Reply(502, "upstream_tls_failure", "the service could not prove who it is"),
    "upstream_reset": Reply(502, "upstream_reset", "the service closed the connection before it answered"),
    "upstream_protocol_error": Reply(502, "upstream_protocol_error", "the service's answer is not valid HTTP"),
    "upstream_head_too_large": Reply(502, "upstream_head_too_large", "the service's answer has too large a head"),
    "answer_too_large": Reply(502, "answer_too_large", "the service's answer is larger than this route allows"),
    "request_timeout": Reply(504, "request_timeout", "the route's time for the whole exchange is over"),
    "upstream_timeout": Reply(504, "upstream_timeout", "the service did not answer in the time of one try"),
    "drain_timeout": Reply(503, "drain_timeout", "the gateway is stopping and could not wait any longer; try again"),
    "body_too_slow": Reply(408, "body_too_slow", "the request's body arrives more slowly than this listener allows"),
    "body_timeout": Reply(408, "body_timeout", "the request's body did not arrive in time"),
}
