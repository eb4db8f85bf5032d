"""The table of checks, in the order in which they are printed within one severity.

Adding a check touches three places: its file here, one row of this table, and a section of docs/audit.md.
"""

from __future__ import annotations

from typing import Final

from gateway.audit.checks import (
    any_address,
    any_token,
    cached_callers,
    compressed_cookies,
    limit_by_header,
    long_lived_tokens,
    mirrored_credentials,
    no_access_log,
    no_limit,
    no_owner,
    no_route_traffic,
    no_time_out,
    no_version,
    not_in_gateway,
    not_in_openapi,
    open_egress,
    plain_listener,
    plain_upstream,
    planted_faults,
    public_beside_protected,
    public_write,
    refused_reload,
    retired_route,
    retry_write,
    shadow_limit,
    slow_clients,
    slow_key_refresh,
    stale_acceptance,
    undocumented_traffic,
    unguarded_canary,
    unreachable_match,
    unused,
    wide_cors,
    wide_websocket,
)
from gateway.audit.model import Check

CHECKS: Final[tuple[Check, ...]] = (
    public_write.CHECK,
    public_beside_protected.CHECK,
    any_token.CHECK,
    long_lived_tokens.CHECK,
    slow_key_refresh.CHECK,
    no_limit.CHECK,
    limit_by_header.CHECK,
    shadow_limit.CHECK,
    no_time_out.CHECK,
    slow_clients.CHECK,
    retry_write.CHECK,
    planted_faults.CHECK,
    unguarded_canary.CHECK,
    mirrored_credentials.CHECK,
    plain_listener.CHECK,
    plain_upstream.CHECK,
    open_egress.CHECK,
    any_address.CHECK,
    wide_cors.CHECK,
    cached_callers.CHECK,
    compressed_cookies.CHECK,
    wide_websocket.CHECK,
    no_access_log.CHECK,
    refused_reload.CHECK,
    unreachable_match.CHECK,
    undocumented_traffic.CHECK,
    not_in_openapi.CHECK,
    not_in_gateway.CHECK,
    no_route_traffic.CHECK,
    retired_route.CHECK,
    no_owner.CHECK,
    no_version.CHECK,
    unused.CHECK,
    stale_acceptance.CHECK,
)

__all__ = ["CHECKS"]
