"""Options that several commands of the lab have."""

from __future__ import annotations

import click

seed_option = click.option("--seed", type=int, help="Let attackers make up the same things each time.")
