"""The command `gatehouse`: which commands there are, and where each of them lives.

The problem: a help text that takes a second is a help text nobody asks for, and importing every command's
libraries takes that second. The rule: this table knows each command's name and one line of help, and a
command's module is imported only when that command runs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from keyword import iskeyword
from typing import NamedTuple, NoReturn

import click

from gateway.cli.text import visible


class Entry(NamedTuple):
    """Where a command is (its function has the command's name) and what `gatehouse --help` says of it.

    No module: it comes from another package, by an entry point of the group `gatehouse.commands`.
    """

    module: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Start and stop": {
        "up": Entry("up", "Start the shop behind the gateway."),
        "down": Entry("processes", "Stop everything that `up` or `run` started."),
        "run": Entry("run", "Start the gateway alone, in front of your own services."),
        "traffic": Entry("traffic", "Gentle, realistic traffic through the gateway."),
        "journeys": Entry("journeys", "Take the shop's user journeys, and say which of them work."),
    },
    "Processes": {
        "ps": Entry("processes", "List the processes that run."),
        "logs": Entry("logs", "Show what a process logged."),
        "restart": Entry("processes", "Restart one process; the others do not notice."),
        "stop": Entry("processes", "Stop one process until it is started again."),
        "start": Entry("processes", "Start a process that was stopped."),
    },
    "Change one service": {
        "scale": Entry("deploying", "Run so many copies of a service."),
        "deploy": Entry("deploying", "Run another version of a service, for all requests or for a share."),
        "promote": Entry("deploying", "Make a service's canary its version."),
        "rollback": Entry("deploying", "Take a service's canary back, or go back to the version before."),
    },
    "Watch": {
        "top": Entry("top", "Watch requests, refusals, services and alerts, live."),
        "alerts": Entry("alerts", "Show the alerts that fire, and those that are about to."),
    },
    "Configuration": {
        "check": Entry("check", "Check a configuration file; nothing is started."),
        "reload": Entry("reload", "Read the configuration again, now."),
        "routes": Entry("routes", "List the routes, with their filters and clusters."),
        "explain": Entry("explain", "Say what would happen to a request, or why one was refused."),
        "audit": Entry("audit", "List what there is and where it is weak, with the fix."),
        "clusters": Entry("clusters", "Show the endpoints of each cluster, and who of them is well."),
        "canary": Entry("canary", "Show how canaries do, or change what one gets."),
        "limits": Entry("limits", "Show who has used how much of each limit."),
        "cache": Entry("cache", "Show what the caches hold, or forget it."),
        "egress": Entry("egress", "See which third parties services call, and shut one out."),
        "import": Entry("importing", "Make a configuration from an OpenAPI document."),
    },
    "Mesh": {
        "mesh": Entry("mesh", "See who is in the mesh, who may call whom; shut a service out."),
    },
    "Learn": {
        "lesson": Entry("", "Ten lessons to read, run and answer."),
        "lab": Entry("", "Attacks that work, controls that stop them."),
        "incident": Entry("", "Faults under load: find which part it is, and why."),
    },
    "Requests": {
        "token": Entry("identity", "Print an access token of a user."),
        "call": Entry("identity", "Send a request through the gateway as a user."),
        "trace": Entry("trace", "Show the way of one request through all services."),
    },
    "Partners": {
        "key": Entry("keys", "Make, list and revoke API keys."),
    },
    "This machine": {
        "doctor": Entry("doctor", "Check what Gatehouse finds on this machine."),
        "version": Entry("about", "Print the version."),
        "completion": Entry("about", "Print the completion script of a shell."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for, and not for its help line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command's name, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, imported now; None for a name that is no command."""
        if cmd_name not in COMMANDS:
            return None
        function = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        module, function = COMMANDS[cmd_name].module, function
        command = getattr(import_module(f"gateway.cli.{module}"), function) if module else _from_outside(cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest names when there is no such command."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"There is no command {visible(args[0])!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The help lines come from the table: nothing is imported to print them."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in commands.items()])


def _from_outside(name: str) -> object:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="gatehouse.commands", name=name)
    return found.load()


def _print_version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from gateway.cli.about import version_line

        click.echo(version_line())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 good, 1 failed or refused, 2 usage or configuration error.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def cli() -> None:
    """Gatehouse: an API gateway and service mesh to read, run, attack and watch.

    Teaching, not production: everything listens on this machine's loopback only.
    """


def main() -> NoReturn:
    """Run the command line; a fault of ours is told in one line, with its traceback on request."""
    try:
        cli.main(prog_name="gatehouse")
    except Exception as error:
        if os.environ.get("GATEHOUSE_DEBUG"):
            raise
        click.echo(f"Error: this is a fault in Gatehouse: {type(error).__name__}: {visible(str(error))}", err=True)
        click.echo("Run it again with GATEHOUSE_DEBUG=1 to see where.", err=True)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
