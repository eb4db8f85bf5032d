import asyncio

import pytest

from gateway.control.supervisor.resp import RedisAddress, RedisError, Reply, encode, parse_url, read_reply


async def read(data: bytes) -> Reply:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_reply(reader)


def test_commands_are_arrays_of_counted_strings() -> None:
    assert encode(("SET", "k", "a b\r\n")) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na b\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"+PONG\r\n", "PONG"),
        (b":42\r\n", 42),
        (b"$3\r\na\r\n\r\n", "a\r\n"),
        (b"$-1\r\n", None),
        (b"*2\r\n:1\r\n*1\r\n+a\r\n", [1, ["a"]]),
    ],
)
async def test_answers(data: bytes, value: Reply) -> None:
    assert await read(data) == value


async def test_an_error_answer_is_an_exception() -> None:
    with pytest.raises(RedisError, match="NOPERM this user"):
        await read(b"-NOPERM this user\r\n")


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\n", b"$999999999\r\n", b"%1\r\n"])
async def test_what_is_not_redis_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"RESP2|invalid literal"):
        await read(data)


def test_urls() -> None:
    address = parse_url("redis://me:p%40ss@redis.example:7000/3")
    assert address == RedisAddress("redis.example", 7000, "me", "p@ss", 3)
    assert address.url == "redis://redis.example:7000/3"
    assert "p@ss" not in repr(address)
    assert parse_url("rediss://[::1]").url == "rediss://[::1]:6379/0"


@pytest.mark.parametrize("url", ["http://x", "redis://", "redis://h/x", "unix:///tmp/redis.sock"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected redis://"):
        parse_url(url)
