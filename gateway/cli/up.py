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
    help="The gateway's configuration; else the shop's own, config/shop.yaml.",
)
@click.option(
    "--mesh",
    is_flag=True,
    help="Put a sidecar beside every service: mutual TLS between all of them, and nobody calls whom the mesh's file "
    "does not let (config/mesh.yaml).",
)
@click.option(
    "--mesh-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The mesh's file, instead of the shop's own; implies --mesh.",
)
@state_dir_option
@port_base_option
def up(
    detach: bool,
    config: Path | None,
    mesh: bool,
    mesh_config: Path | None,
    state_dir: Path | None,
    port_base: int | None,
) -> None:
    """Start the shop behind the gateway.

    Starts Redis, five services, the gateway and its control process, all on this machine's loopback, and
    prints what runs where and what to try. Ctrl-C stops all of it.

    \b
    Examples:
      gatehouse up
      gatehouse up --mesh
      gatehouse up --detach --port-base 0
      gatehouse up --config mine.yaml
    """
    from gateway.cli.starting import run_instance
    from gateway.cli.summary import print_shop
    from gateway.control.supervisor.options import Options, default_manifest, default_mesh

    options = Options(
        state_dir=str(directory_of(state_dir)),
        config=str(config) if config else None,
        manifest=str(default_manifest()),
        port_base=port_base,
        mesh=str(mesh_config or default_mesh()) if mesh or mesh_config else None,
        started=time.time(),
    )
    run_instance(options, detach=detach, when_up=lambda instance: print_shop(instance, own_config=config is not None))
