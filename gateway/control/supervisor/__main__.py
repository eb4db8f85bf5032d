"""`python -m gateway.control.supervisor --settings-fd N`: options as JSON on an inherited pipe.

With `--take-over N --told M LIFE…` a guard starts it as the successor of a killed one (guard_program, handover).
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from gateway.control.supervisor.guard import Life
from gateway.control.supervisor.handover import read
from gateway.control.supervisor.options import load_options
from gateway.control.supervisor.supervisor import Succession, run


def main() -> int:
    """Run the supervisor; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m gateway.control.supervisor", description=__doc__)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--settings-fd", type=int, help="descriptor to read the options from")
    how.add_argument("--take-over", type=int, help="descriptor to read a killed supervisor's handover from")
    parser.add_argument("--told", type=int, help="descriptor to say on that everything was taken over")
    parser.add_argument("told_of", nargs="*", metavar="LIFE", help="processes that run; ~NAME: one that was stopped")
    given = parser.parse_args()
    if given.take_over is None:
        return asyncio.run(run(load_options(given.settings_fd)))
    left = read(given.take_over)
    lives = [Life.parse(words) for words in given.told_of if not words.startswith("~")]
    resting = [words[1:] for words in given.told_of if words.startswith("~")]
    return asyncio.run(run(left.prepared.site.options, Succession(left, lives, resting, given.told)))


if __name__ == "__main__":
    sys.exit(main())
