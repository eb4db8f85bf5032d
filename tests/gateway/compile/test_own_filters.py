"""Filters in packages of somebody else: what is wrong with them is one sentence with the line that names them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.compile.load import load_text
from gateway.compile.table import filter_classes
from gateway.control.supervisor import read_spec
from gateway.filters.base import Decision, Filter, FilterSpec, Request, Response
from gateway.spec.errors import SpecErrors

GOOD = """
from typing import Literal
from gateway.filters.base import Filter, FilterSpec, Reply

class OwnSpec(FilterSpec):
    type: Literal["Own"] = "Own"
    path: str = "/"

class Own(Filter[OwnSpec]):
    Spec = OwnSpec

    def decide(self, request):
        return None
"""
CONFIG = """\
listeners: [{name: public, port: 8088}]
clusters: [{name: shop, endpoints: ["127.0.0.1:1"]}]
routes:
  - name: all
    public: true
    filters:
      - type: Own
    backendRefs: [{cluster: shop}]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A module and its entry point, as an installed package has them; looked up anew."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def write(source: str | None, *, module: str = "acme_own", point: str = "Own = {module}:Own") -> None:
        if source is not None:
            (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[gatehouse.filters]\n" + point.format(module=module) + "\n")
        filter_classes.cache_clear()

    yield write
    filter_classes.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


def errors() -> list[str]:
    with pytest.raises(SpecErrors) as caught:
        load_text(CONFIG, "test.yaml", {})
    return [f"{one.line}: {one.message}" for one in caught.value.errors]


def test_a_good_one_loads(install: Callable[..., None]) -> None:
    install(GOOD)
    assert load_text(CONFIG, "test.yaml", {}).routes[0].filters[0].type == "Own"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nothing_of_this_name\n", "does not load: acme_own.py:1: ModuleNotFoundError: No module named"),
        ("x = 1\nclass Own(:\n", "does not load: acme_own.py:2: SyntaxError: invalid syntax"),
        ("x = {}\n\ny = x['z']\n", "does not load: acme_own.py:3: KeyError: 'z'"),
        ("", "does not load: AttributeError: module 'acme_own' has no attribute 'Own'"),
        (None, "does not load: ModuleNotFoundError: No module named 'acme_own'"),
        ("Own = 7\n", "cannot be used: it names an object of type int, and not a class"),
        ("import acme_own as Own\n", "cannot be used: it names a module, and not a class"),
        ("class Own: ...\n", "cannot be used: Own does not derive from gateway.filters.base.Filter"),
        (GOOD.replace("    Spec = OwnSpec\n", ""), "cannot be used: Own needs a `Spec`"),
        (GOOD.replace("    Spec = OwnSpec\n", "    Spec = dict\n"), "cannot be used: Own needs a `Spec`"),
        (GOOD.replace("    def decide", "    def decides"), "cannot be used: Own has no `decide`"),
        (GOOD.replace('"Own"', '"Owned"'), "cannot be used: the `type` of its Spec says 'Owned'"),
    ],
)
def test_one_that_cannot_be_used(install: Callable[..., None], source: str | None, message: str) -> None:
    install(source)
    (told,) = errors()
    assert told.startswith('7: filter type "Own" (acme_own:Own in acme-own) ' + message)


def test_two_packages_with_one_name(install: Callable[..., None]) -> None:
    install(GOOD)
    install(GOOD, module="acme_other")
    (told,) = errors()
    assert told == '7: filter type "Own" is ambiguous: acme-other and acme-own both have one; give yours another name'


def test_nobody_takes_the_place_of_one_of_ours(install: Callable[..., None]) -> None:
    install(GOOD.replace('"Own"', '"CORS"'), point="CORS = {module}:Own")
    with pytest.raises(SpecErrors, match=r'"CORS" is ambiguous: acme-own and gatehouse both have one'):
        load_text(CONFIG.replace("Own", "CORS"), "test.yaml", {})


def test_a_broken_one_that_nobody_names_disturbs_nobody(install: Callable[..., None]) -> None:
    install("import nothing_of_this_name\n")
    spec = load_text(CONFIG.replace("Own", "SecurityHeaders"), "test.yaml", {})
    assert spec.routes[0].filters[0].type == "SecurityHeaders"
    with pytest.raises(SpecErrors, match="neither public nor protected"):  # lists all that authenticate
        load_text(CONFIG.replace("Own", "SecurityHeaders").replace("    public: true\n", ""), "test.yaml", {})


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (
            "    @model_validator(mode='after')\n    def look(self):\n        return self.path[7]\n",
            '7: the model of filter type "Own" failed: acme_own.py:11: IndexError: string index out of range',
        ),
        ("    other: Absent = 1\n", '7: the model of filter type "Own" failed: '),
        (
            "    def mistakes(self):\n        yield 1 / 0\n",
            "7: it cannot be checked: `mistakes` of Own failed: acme_own.py:10: ZeroDivisionError: division by zero",
        ),
    ],
    ids=["validator", "annotation", "mistakes"],
)
def test_a_model_that_fails(install: Callable[..., None], own: str, message: str) -> None:
    source = "from __future__ import annotations\nfrom pydantic import model_validator" + GOOD
    install(source.replace('    path: str = "/"\n', '    path: str = "/"\n' + own))
    (told,) = errors()
    assert told.startswith(message)


def test_one_that_cannot_be_made_is_found_by_check(install: Callable[..., None], tmp_path: Path) -> None:
    made = (
        "    def __init__(self, spec, build):\n        super().__init__(spec, build)\n        self.x = build.nothing\n"
    )
    install(GOOD.replace("    Spec = OwnSpec\n", "    Spec = OwnSpec\n\n" + made))
    file = tmp_path / "own.yaml"
    file.write_text(CONFIG)
    result = CliRunner().invoke(cli, ["check", str(file)])
    assert result.exit_code == 2
    assert "own.yaml:7:9: the filter Own cannot be made: acme_own.py:14: AttributeError: 'Build'" in result.output
    assert "7 |       - type: Own" in result.output
    told = read_spec.read(file, {})  # what the supervisor asks before it starts anything
    assert told == {
        "error": "own.yaml:7: the filter Own cannot be made: acme_own.py:14: AttributeError: "
        "'Build' object has no attribute 'nothing'"
    }


class FailingSpec(FilterSpec):
    pass


class Failing(Filter[FailingSpec]):
    Spec = FailingSpec

    def decide(self, request: Request) -> Decision:
        return None

    def on_response(self, request: Request, response: Response) -> None:
        raise KeyError("secret")


def test_an_answer_that_a_filter_fails_at_is_kept_back(gatehouse: Any) -> None:
    service = gatehouse.upstream()
    service.answer(body="what it should have taken out", headers={"X-Inside": "1"})
    gateway = gatehouse(CONFIG.replace("Own", "Failing"), clusters={"shop": service},
                        filters={"Failing": Failing})  # fmt: skip
    answer = gateway.get("/").assert_refused("filter_error", 500)
    assert answer.policy == "test.yaml:7"
    assert "x-inside" not in answer.headers
    assert b"taken out" not in answer.body
    assert gateway.metric("gateway_filter_errors_total", filter="Failing") == 1
    service.answer_by(lambda _: (200, {"transfer-encoding": "chunked"}, b"3\r\nabc\r\n"))
    gateway.get("/").assert_refused("filter_error", 500)
