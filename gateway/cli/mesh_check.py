"""`gatehouse mesh check`: what is wrong in a mesh's file, shown where it stands."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.check import DEFAULT_VARIABLES, refusal
from gateway.cli.console import Misuse, duration, print_json
from gateway.cli.options import config_argument, json_option
from gateway.cli.text import visible


@click.command()
@config_argument
@json_option
def check(config: Path, as_json: bool) -> None:
    """Check a mesh's file against the shop's services; nothing is started.

    Exit code 2 when it has errors.

    \b
    Examples:
      gatehouse mesh check config/mesh.yaml
    """
    from gateway.compile.load import load_certificate_life, load_mesh_file
    from gateway.control.mesh.members import members_of
    from gateway.control.supervisor.manifest import load_manifest
    from gateway.control.supervisor.mesh_site import peers_of
    from gateway.control.supervisor.options import default_manifest
    from gateway.spec.errors import SpecErrors

    variables = DEFAULT_VARIABLES | dict(os.environ)
    try:
        specs = load_mesh_file(config, variables, members_of(peers_of(load_manifest(default_manifest()))))
        life = load_certificate_life(config, variables)
    except SpecErrors as errors:
        if as_json:
            print_json({"valid": False, "errors": [asdict(error) for error in errors.errors]})
            raise click.exceptions.Exit(Misuse.exit_code) from None
        raise refusal(errors, "the mesh's file; nothing is started") from None
    except OSError as error:
        raise Misuse(f"{config} cannot be read: {error.strerror}") from None
    if as_json:
        print_json({"valid": True, "errors": []})
    else:
        click.echo(f"{visible(config)} is good: {len(specs)} services, certificates good for {duration(life)}.")
