"""A GraphQL client writes its own query, so a few hundred bytes can ask for millions of values.

The rule: every step that costs more than the one before is allowed only within a bound that the cheaper step
has already checked. Characters, digits and nesting are counted before parsing (the parser is recursive), fields
before validation (some rules compare fields in pairs), depth and cost before execution. Nothing is ever run "to
see how big it gets".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graphql import DocumentNode, FieldNode, GraphQLError, Lexer, Source, TokenKind, Visitor, parse, visit

_OPENING: Final = {TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L}
_NUMBERS: Final = {TokenKind.INT, TokenKind.FLOAT}
_CLOSING: Final = {TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R}


@dataclass(frozen=True)
class Limits:
    """The most that one operation may ask for."""

    characters: int = 10_000
    tokens: int = 1_000
    nesting: int = 40
    """Open brackets of any kind at one place of the text; the standard introspection query needs 14."""
    digits: int = 30
    """Of a number written in the text: reading a decimal number costs the square of its length."""
    fields: int = 250
    """Fields written in the document, each fragment counted once."""
    root_fields: int = 10
    """Fields of the operation itself after expanding fragments: each may start its own upstream calls."""
    depth: int = 10
    cost: int = 15_000
    """Values in the largest possible answer; see `cost.py`. The standard introspection query needs 11 000."""
    seconds: float = 8.0
    """Time to execute one operation: more than one upstream time-out, so that a partial answer gets out."""


NO_LIMITS: Final = Limits(10**6, 10**6, 10**3, 10**3, 10**5, 10**3, 10**3, 10**99)
"""What the storefront has when a lesson asks for none; the bound on seconds stays."""


class LimitExceededError(GraphQLError):
    """The operation asks for too much; `reason` is a stable code for programs."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, extensions={"reason": reason})


def check(reason: str, what: str, value: int, limit: int) -> None:
    """Lets `value` pass up to `limit`.

    Raises:
        LimitExceededError: with a message that tells the client both numbers.
    """
    if value > limit:
        raise LimitExceededError(reason, f"The operation has {what} {value}; the limit is {limit}.")


def parse_bounded(text: str, limits: Limits) -> DocumentNode:
    """Parses `text`, having counted first what the parser and the validation would pay for.

    Raises:
        LimitExceededError: it is too long, too deeply nested or has too many fields.
        GraphQLSyntaxError: it is not GraphQL.
    """
    check("query_too_long", "a length in characters of", len(text), limits.characters)
    _count_tokens(text, limits)
    document = parse(text)
    counter = _FieldCounter()
    visit(document, counter)
    check("query_too_large", "a number of fields of", counter.fields, limits.fields)
    return document


def _count_tokens(text: str, limits: Limits) -> None:
    """One pass over the tokens, without recursion; stops at the first limit reached."""
    lexer = Lexer(Source(text))
    tokens = nesting = 0
    while (kind := (token := lexer.advance()).kind) is not TokenKind.EOF:
        tokens += 1
        if kind in _NUMBERS:
            check("query_too_large", "a number with digits of", len(token.value or ""), limits.digits)
        nesting += (kind in _OPENING) - (kind in _CLOSING)
        check("query_too_large", "a number of tokens of at least", tokens, limits.tokens)
        check("query_too_deep", "brackets nested at least", nesting, limits.nesting)


class _FieldCounter(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.fields = 0

    def enter_field(self, _node: FieldNode, *_args: object) -> None:
        self.fields += 1
