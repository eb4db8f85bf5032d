from __future__ import annotations

import asyncio
from typing import Any


def _logins(shop: Any) -> int:
    return sum(path.startswith("/auth/") for _, path, _ in shop.seen)


async def test_one_login_lasts_until_shortly_before_the_end(stage: Any, shop: Any) -> None:
    tokens, visitor = stage.scene.tokens, stage.scene.visitor
    assert await tokens.of(visitor, "alice") == "user-token"
    stage.clock[0] = 539.0
    await tokens.of(visitor, "alice")
    assert _logins(shop) == 1
    stage.clock[0] = 541.0
    await tokens.of(visitor, "alice")
    assert _logins(shop) == 2


async def test_those_who_ask_at_once_share_one_login(stage: Any, shop: Any) -> None:
    await asyncio.gather(*(stage.scene.tokens.of(stage.scene.visitor, "alice") for _ in range(4)))
    assert _logins(shop) == 1


async def test_people_log_in_and_clients_are_granted(stage: Any, shop: Any) -> None:
    assert await stage.scene.tokens.of(stage.scene.visitor, "partner") == "partner-token"
    assert shop.seen[0][1:] == ("/auth/token", "Basic cGFydG5lcjpzZWNyZXQ=")


async def test_forgotten_tokens_are_fetched_again(stage: Any, shop: Any) -> None:
    await stage.scene.tokens.of(stage.scene.visitor, "alice")
    stage.scene.tokens.forget()
    await stage.scene.tokens.of(stage.scene.visitor, "alice")
    assert _logins(shop) == 2
