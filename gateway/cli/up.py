"""`gatehouse up`: the whole shop behind the gateway, with one command."""

from __future__ import annotations

import re
import time
from pathlib import Path

import click

from gateway.cli.instance import state_dir as directory_of
from gateway.cli.options import detach_option, port_base_option, state_dir_option

_SETTING = re.compile(r"([a-z][a-z0-9-]*)\.([a-z_]+)=([\x20-\x7e]*)")


def read_settings(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Values by service and option.

    Raises:
        BadParameter: a text of another form.
    """
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        match = _SETTING.fullmatch(text)
        if match is None:
            raise click.BadParameter("give it as SERVICE.OPTION=VALUE, such as reports.version=v2")
        found.setdefault(match[1], {})[match[2]] = match[3]
    return found


@click.command()
@detach_option
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The gateway's configuration; else the architecture's own, config/shop.yaml or config/flat.yaml.",
)
@click.option(
    "--architecture",
    type=click.Choice(("monolith", "flat", "gateway", "mesh")),
    help="How the shop is built: one process; services without policies; services behind a gateway (the default); and "
    "the same with a sidecar beside every service.",
)
@click.option("--mesh", is_flag=True, help="Short for --architecture mesh.")
@click.option(
    "--mesh-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The mesh's file, instead of the shop's own, config/mesh.yaml; implies --mesh.",
)
@click.option(
    "--prometheus",
    is_flag=True,
    help="Run the Prometheus of this machine beside it: history, alerts, and queries at its own port.",
)
@click.option(
    "--via",
    multiple=True,
    metavar="SERVICE=ADDRESS:PORT",
    callback=lambda *given: _via(given[2]),
    help="Let everybody reach a service through this address: a proxy of yours, which records or breaks what passes. "
    "It forwards to the service's port, with --mesh to that of its sidecar (gatehouse ps). Repeatable.",
)
@click.option(
    "--set",
    "settings",
    metavar="SERVICE.OPTION=VALUE",
    multiple=True,
    callback=read_settings,
    help="An option of one service, for lessons: reports.version=v2 runs a version with a planted fault.",
)
@state_dir_option
@port_base_option
def up(
    detach: bool,
    config: Path | None,
    architecture: str | None,
    mesh: bool,
    mesh_config: Path | None,
    prometheus: bool,
    via: dict[str, str],
    settings: dict[str, dict[str, str]],
    state_dir: Path | None,
    port_base: int | None,
) -> None:
    """Start the shop behind the gateway.

    Starts Redis, the shop's services, the gateway and its control process, all on this machine's loopback,
    and prints what runs where and what to try. Ctrl-C stops all of it. With --architecture the same shop is
    built in another way.

    \b
    Examples:
      gatehouse up
      gatehouse up --mesh
      gatehouse up --prometheus
      gatehouse up --architecture monolith
      gatehouse up --detach --port-base 0
      gatehouse up --set reports.version=v2
      gatehouse up --config mine.yaml
      gatehouse up --mesh --via orders=127.0.0.1:9000
    """
    from gateway.cli.starting import run_instance
    from gateway.cli.summary import print_shop
    from gateway.control.supervisor.options import Options, default_manifest, default_mesh

    name = _architecture(architecture, meshed=mesh or mesh_config is not None)
    if config and name == "monolith":
        raise click.UsageError("the monolith has no gateway, so there is nobody to serve --config")
    options = Options(
        state_dir=str(directory_of(state_dir)),
        architecture=name,
        config=str(config) if config else None,
        manifest=str(default_manifest()),
        port_base=port_base,
        mesh=str(mesh_config or default_mesh()) if name == "mesh" else None,
        prometheus=prometheus,
        via=via,
        service_options=settings,
        started=time.time(),
    )
    run_instance(options, detach=detach, when_up=lambda instance: print_shop(instance, own_config=config is not None))


def _architecture(named: str | None, *, meshed: bool) -> str:
    if meshed and named not in (None, "mesh"):
        raise click.UsageError(f"--mesh is another architecture than {named}")
    return "mesh" if meshed else named or "gateway"


def _via(given: tuple[str, ...]) -> dict[str, str]:
    """By service.

    Raises:
        BadParameter: it says no service, or no address.
    """
    found = [re.fullmatch(r"([a-z][a-z0-9-]*)=([0-9.]{7,15}:[0-9]{1,5})", one) for one in given]
    if not all(found):
        raise click.BadParameter("write SERVICE=ADDRESS:PORT, like orders=127.0.0.1:9000")
    return {match[1]: match[2] for match in found if match}
