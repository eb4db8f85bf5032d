"""Every known difference between the gateway and its peers, and the rule that makes it.

A line names a case of the table and the peers that differ there: a bare name accepts what we refuse; `name=status`
refuses with another class of status; `name=sees` lets the upstream see something else; `name=laxer` refuses what
we accept. A peer that has become as strict as we are since is no failure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """A rule and the cases in which peers do not follow it."""

    why: str
    cases: dict[str, str]


EXPLANATIONS = (
    Explanation(
        "RFC 9112 §6.1: a message with both is an error to be handled; we answer 400 instead of choosing one",
        {"length and coding": "haproxy", "coding and length": "haproxy"},
    ),
    Explanation(
        "RFC 9112 §6.3 rule 5: a repeated length may be refused even if the values agree",
        {"two equal lengths": "haproxy", "a list of lengths": "haproxy"},
    ),
    Explanation(
        "RFC 9112 §6.1: a coding that is not understood should get 501; 400 and 422 refuse as well",
        {
            "a coding we do not know": "haproxy=status",
            "two codings": "haproxy=status",
            "chunked twice": "haproxy=status",
            "identity": "haproxy=status",
            "a coding with a parameter": "haproxy=status",
            "a quoted coding": "haproxy=status",
            "coding in two fields": "envoy=status",
            "a coding behind a vertical tab": "nginx=status",
        },
    ),
    Explanation(
        "RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0 means that the framing is faulty",
        {"chunked in HTTP/1.0": "envoy haproxy"},
    ),
    Explanation(
        "RFC 9112 §7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF, to the letter",
        {
            "a space after a size": "envoy haproxy nginx",
            "a size ended by LF": "haproxy nginx",
            "NUL in an extension": "envoy haproxy nginx",
            "data longer than its size": "envoy",
            "data ended by LF": "envoy haproxy nginx",
        },
    ),
    Explanation(
        "RFC 9112 §7.1.1 and §7.1.2: extensions and trailers are bounded, and trailers are fields",
        {
            # HAProxy answers 400, or waits for the rest if all of it came at once and fills its buffer.
            "a long extension": "envoy haproxy=status nginx",
            "a trailer that is none": "nginx",
            "trailers without end": "envoy nginx",
        },
    ),
    Explanation(
        "RFC 9112 §5.2: a server answers obs-fold with 400 or replaces it; nothing is repaired here",
        {"obs-fold": "envoy haproxy"},
    ),
    Explanation(
        "RFC 9112 §2.2: LF alone may be taken for a line's end, CR alone must not; a line here ends with both",
        {
            "a bare LF": "envoy haproxy nginx",
            "a bare CR": "envoy",
            "a line ended by LF": "envoy haproxy nginx",
        },
    ),
    Explanation(
        "RFC 9110 §5.5: NUL, CR and LF in a value are dangerous, other control characters are invalid",
        {
            "NUL in a value": "haproxy",
            "a control character": "haproxy nginx",
            "DEL in a value": "haproxy nginx",
            "no colon": "nginx",
        },
    ),
    Explanation(
        "RFC 6585 §5: the number of fields is bounded as well as their size (nginx bounds the size only)",
        {"too many fields": "nginx"},
    ),
    Explanation(
        "RFC 9110 §10.1.1: an expectation that cannot be met may get 417",
        {"an expectation": "envoy haproxy nginx"},
    ),
    Explanation(
        "RFC 9110 §5.3: a field that is no list may not be repeated",
        {"two authorizations": "envoy haproxy", "two hosts": "envoy"},
    ),
    Explanation(
        "RFC 9112 §3.2: a missing, repeated or invalid Host gets 400",
        {
            "no host": "haproxy",
            "an empty host": "envoy haproxy",
            "a host with a path": "haproxy",
            "a host with a user": "envoy haproxy nginx",
            "a host list": "haproxy",
        },
    ),
    Explanation(
        "RFC 9112 §3.2.2: the target's authority replaces Host, whatever it says; HAProxy wants them to be equal",
        {"absolute-form": "haproxy=laxer"},
    ),
    Explanation(
        "RFC 9112 §2.3 and §3: method SP target SP version, exactly; other versions get 505",
        {
            "HTTP/0.9": "envoy nginx=status",
            "HTTP/2.0": "envoy haproxy",
            "HTTP/1.2": "envoy haproxy nginx",
            "two spaces": "envoy haproxy nginx",
            "a tab for a space": "envoy haproxy",
            "a space at the end": "envoy nginx",
            "the HTTP/2 preface": "envoy=status haproxy=status nginx=status",
        },
    ),
    Explanation(
        "RFC 9110 §9.3.6: a method that is not supported gets 501; this is no forward proxy",
        {"CONNECT": "envoy=status haproxy nginx=status"},
    ),
    Explanation(
        "RFC 9112 §3.2: four forms of target and no other; a fragment is none of them (RFC 9110 §7.1)",
        {
            "* with GET": "haproxy",
            "a relative target": "haproxy",
            "another scheme": "nginx",
            "a fragment": "nginx",
            "an octet above ASCII": "nginx",
        },
    ),
    Explanation(
        "RFC 9110 §9.3.7: OPTIONS * asks the server itself; no route stands for it here",
        {"OPTIONS *": "haproxy"},
    ),
    Explanation(
        "RFC 3986 §5.2.4: a client removes dot segments; Envoy resolves them, the others pass them to the service",
        {
            "dot segments": "envoy haproxy nginx",
            "encoded dot segments": "envoy haproxy nginx",
            "a half encoded dot segment": "envoy haproxy nginx",
            "a dot segment with a parameter": "envoy haproxy nginx",
        },
    ),
    Explanation(
        "Declared choice: what services may split or cut differently does not pass (docs/strictness.md, Paths)",
        {
            "an encoded slash": "haproxy nginx",
            "an encoded backslash": "haproxy nginx",
            "a backslash": "envoy haproxy nginx",
            "an encoded NUL": "haproxy",
            "an encoded CR LF": "envoy haproxy nginx",
            "two slashes": "envoy haproxy nginx",
        },
    ),
    Explanation(
        "RFC 3986 §2.1: '%' is followed by two hexadecimal digits",
        {"a broken escape": "envoy haproxy", "an escape cut short": "envoy haproxy"},
    ),
    Explanation(
        "RFC 3986 §6.2.2: one canonical form is matched and forwarded; the others forward what came",
        {
            "an escape that needs none": "haproxy=sees nginx=sees",
            "an escape in small letters": "envoy=sees haproxy=sees nginx=sees",
        },
    ),
)


def _words(peers: str) -> dict[str, str]:
    pairs = [peer.partition("=") for peer in peers.split()]
    return {name: word or "stricter" for name, _, word in pairs}


EXPLAINED = {case: _words(peers) for one in EXPLANATIONS for case, peers in one.cases.items()}
"""Case → peer → the difference that is known."""
