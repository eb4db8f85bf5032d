"""`python -m gateway.control.supervisor --settings-fd N`: options as JSON on an inherited pipe."""

from __future__ import annotations

import argparse
import asyncio
import sys

from gateway.control.supervisor.options import load_options
from gateway.control.supervisor.supervisor import run


def main() -> int:
    """Run the supervisor; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gateway.control.supervisor", description=__doc__)
    parser.add_argument("--settings-fd", type=int, required=True, help="descriptor to read the options from")
    options = load_options(parser.parse_args().settings_fd)
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
