"""`gatehouse up`: the whole shop behind the gateway, with one command."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.cli.instance import state_dir as directory_of
from gateway.cli.options import detach_option, port_base_option, state_dir_option


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
@state_dir_option
@port_base_option
def up(
    detach: bool,
    config: Path | None,
    architecture: str | None,
    mesh: bool,
    mesh_config: Path | None,
    state_dir: Path | None,
    port_base: int | None,
) -> None:
    """Start the shop behind the gateway.

    Starts Redis, five services, the gateway and its control process, all on this machine's loopback, and
    prints what runs where and what to try. Ctrl-C stops all of it. With --architecture the same shop is
    built in another way.

    \b
    Examples:
      gatehouse up
      gatehouse up --mesh
      gatehouse up --architecture monolith
      gatehouse up --detach --port-base 0
      gatehouse up --config mine.yaml
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
        started=time.time(),
    )
    run_instance(options, detach=detach, when_up=lambda instance: print_shop(instance, own_config=config is not None))


def _architecture(named: str | None, *, meshed: bool) -> str:
    if meshed and named not in (None, "mesh"):
        raise click.UsageError(f"--mesh is another architecture than {named}")
    return "mesh" if meshed else named or "gateway"
