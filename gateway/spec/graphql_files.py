"""Files that belong to a GraphQL guard: the schema, and a list of known queries (a JSON object, digest → text).

The problem: a list is a promise that exactly these texts may run, so a wrong line in it must be seen when it is
written. The rule: every digest is the SHA-256 of its text, in lower-case hexadecimal, and every text is GraphQL, or
the list is refused; a schema must be one.

graphql-core is imported when such a file is read: configurations without one do not pay for it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from graphql import GraphQLSchema

MAX_BYTES: Final = 8 * 1_048_576


def digest(text: str) -> str:
    """The SHA-256 of a query's text, as clients send it (Apollo's `sha256Hash`)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_persisted(file: str) -> dict[str, str]:
    """The texts by their digests.

    Raises:
        ValueError: it cannot be read, or says something wrong; a sentence for the one who wrote it.
    """
    name = Path(file).name
    try:
        read = json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(read, dict) or not all(isinstance(text, str) for text in read.values()):
        raise ValueError(f"{name} must be an object: the SHA-256 of each query, and its text")
    from graphql import GraphQLSyntaxError, parse

    for said, text in read.items():
        if said != digest(text):
            raise ValueError(f"{name}: {said[:64]} is not the SHA-256 of its query, which is {digest(text)}")
        try:
            parse(text, no_location=True)
        except GraphQLSyntaxError as error:
            raise ValueError(f"{name}: {said[:12]}… is not GraphQL: {error.message}") from None
    return read


def read_schema(file: str) -> GraphQLSchema:
    """The schema in the schema definition language.

    Raises:
        ValueError: it cannot be read, or is none; a sentence for the one who wrote it.
    """
    from graphql import GraphQLError, build_schema

    try:
        return build_schema(read_text(file), no_location=True)
    except (GraphQLError, TypeError) as error:
        raise ValueError(f"{Path(file).name} is no GraphQL schema: {error}") from None


def read_text(file: str) -> str:
    """A file's text.

    Raises:
        ValueError: it cannot be read; a sentence for the one who wrote it.
    """
    name = Path(file).name
    try:
        if Path(file).stat().st_size > MAX_BYTES:
            raise ValueError(f"{name} is larger than {MAX_BYTES} bytes")
        return Path(file).read_text("utf-8")
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8: {error.reason}") from None
