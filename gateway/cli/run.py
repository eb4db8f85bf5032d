"""`gatehouse run`: the gateway alone, in front of people's own services.

With a file, or with pairs of path and address that become one. The same supervisor as for the shop runs it,
so `ps`, `logs`, `explain`, `routes`, `trace` and `reload` work here, too.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.console import Failure, Misuse
from gateway.cli.hints import command
from gateway.cli.instance import Instance, find
from gateway.cli.instance import state_dir as directory_of
from gateway.cli.options import detach_option, port_base_option, state_dir_option
from gateway.cli.text import visible

if TYPE_CHECKING:
    from gateway.cli.quick import Target

DEV_ISSUER_WARNING = (
    "DEVELOPMENT ONLY: the development issuer vouches for any name, to whoever can read this state directory."
)


@click.command()
@click.argument("pairs", nargs=-1, metavar="[PATH=URL]...")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A configuration file.")
@click.option("--dev-issuer", is_flag=True, help="Start a token issuer for development; quick routes need its tokens.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the quick configuration here.")
@detach_option
@state_dir_option
@port_base_option
def run(
    pairs: tuple[str, ...], config: Path | None, dev_issuer: bool, save: Path | None, detach: bool,
    state_dir: Path | None, port_base: int | None,
) -> None:  # fmt: skip
    """Start the gateway alone, in front of your own services.

    PATH=URL sends requests under PATH to URL, with a limit per client address and time-outs. The path is
    kept; when the URL has a path itself (a slash is enough), that takes the place of PATH. URL names
    localhost (IPv4 and IPv6 are tried) or an IP address.

    \b
    Examples:
      gatehouse run /api=http://localhost:8000 /=http://localhost:3000
      gatehouse run /api=http://localhost:8000/ --dev-issuer
      gatehouse run /=http://localhost:3000 --save mine.yaml
      gatehouse run --config mine.yaml
    """
    if bool(pairs) == (config is not None):
        raise click.UsageError("give either --config FILE or PATH=URL pairs, like /api=http://localhost:8000")
    if save and not pairs:
        raise click.UsageError("--save writes the configuration made of PATH=URL pairs; there are none")
    from gateway.cli.starting import run_instance
    from gateway.control.supervisor.options import Options

    started, directory = time.time(), _fresh_directory(state_dir)
    quick = {} if config else _endpoints(pairs)
    options = Options(
        state_dir=str(directory),
        config=str(config or _written(quick, dev_issuer, save or directory / "quick.yaml", keep=save is not None)),
        manifest=str(_issuer_manifest(directory)) if dev_issuer else None,
        port_base=port_base,
        redis=False,
        started=started,
    )
    run_instance(options, detach=detach, when_up=lambda instance: _tell(instance, quick, dev_issuer, save))


def _fresh_directory(option: Path | None) -> Path:
    """The state directory, made if need be, with nothing running in it: what runs watches its files there."""
    from gateway.control.supervisor.errors import CannotStart
    from gateway.control.supervisor.state_dir import prepare

    try:
        running = find(option)
    except Failure:
        try:
            return prepare(directory_of(option)).root
        except CannotStart as error:
            raise Misuse(str(error)) from None
    raise Misuse(f"Something runs already in {running.state_dir}.", "Stop it with: gatehouse down")


def _endpoints(pairs: tuple[str, ...]) -> dict[Target, str]:
    from gateway.cli.quick import endpoint, parse_pairs

    found = {}
    for target in parse_pairs(pairs):
        found[target], answers = endpoint(target)
        if not answers:
            click.echo(f"Note: nothing answers yet on {target.host}:{target.port}; taking {found[target]}.", err=True)
    return found


def _written(quick: dict[Target, str], dev_issuer: bool, path: Path, *, keep: bool) -> Path:
    """The quick configuration as a file; one that people asked to keep never replaces another."""
    from gateway.cli.quick import as_yaml, document

    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if keep else os.O_TRUNC)
    try:
        descriptor = os.open(path, flags, 0o644 if keep else 0o600)
    except OSError as error:
        raise Misuse(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(as_yaml(document(quick, dev_issuer=dev_issuer)))
    return path


def _issuer_manifest(directory: Path) -> Path:
    """The development issuer as the one service of this instance; its key is made here, before it starts."""
    from gateway.cli.dev_issuer import NAME, ensure_key
    from gateway.control.supervisor.state_dir import write_private

    ensure_key(directory)
    path = directory / "dev-issuer.yaml"  # JSON is YAML
    entry = {"name": NAME, "module": "gateway.cli.dev_issuer", "about": "the public key of development tokens"}
    write_private(path, {"services": [entry]})
    return path


def _tell(instance: Instance, quick: dict[Target, str], dev_issuer: bool, save: Path | None) -> None:
    from gateway.cli.summary import print_alone

    directory = instance.state_dir
    path = next((target.path for target in quick), "/")
    who = ("anna", "--dev") if dev_issuer else ("nobody",)
    trials = [(command(directory, "call", who[0], "GET", path, *who[1:]), "a request through the gateway")]
    trials.append((command(directory, "explain", "GET", path), "what would happen to it, step by step"))
    trials.append((command(directory, "routes"), "what the gateway serves"))
    print_alone(instance, [(target.path, address) for target, address in quick.items()], trials)
    if dev_issuer:
        click.secho(f"\n{DEV_ISSUER_WARNING}", fg="yellow", bold=True)
    if save:
        issuer = ["--dev-issuer"] if dev_issuer else []
        click.echo(f"\nSaved: {visible(save)}; next time: {command(directory, 'run', '--config', str(save), *issuer)}")
