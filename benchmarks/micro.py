"""Where the time of one request goes: the pure Python cost, without sockets. `python -m benchmarks.micro`.

The problem: `make bench` sees a whole process, of which the kernel's share is more than half. The rule: the same
objects as in a worker, a transport that only takes bytes, one request after another; and each step again by itself.
Steps that hang together cost more than their sum; what is left over is shown, and `--profile` shows what is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import pstats
import tempfile
from pathlib import Path

import uvloop

from benchmarks.micro_caching import caching_steps
from benchmarks.micro_steps import Bench, build, optional_steps, request_steps
from benchmarks.model import Setup
from benchmarks.policy_costs import as_lines, policy_costs
from benchmarks.timing import compare, measure
from benchmarks.work import Work, prepare

SETUPS = {"plain": Setup(), "policy": Setup(policy=True, routes=100)}


def show(name: str, bench: Bench, count: int) -> None:
    """Measure one setup and print it."""
    whole = measure(bench.once, count)
    found = {label: measure(step, count) for label, step in request_steps(bench).items()}
    print(f"{name}: {whole:.2f} µs of pure Python for one request")
    for label, cost in found.items():
        print(f"  {cost:6.2f}  {label}")
    print(f"  {whole - sum(found.values()):6.2f}  the rest: state, connections, writing")


def show_optional(bench: Bench, count: int) -> None:
    """What refusals, log lines and spans cost."""
    print("besides, for requests that are refused, logged or traced:")
    for label, step in optional_steps(bench).items():
        share = 100 if "batch" in label else 1
        print(f"  {measure(step, max(1, count // share)) / share:6.2f}  {label}")


def show_caching(count: int) -> None:
    """What whole requests cost with and without a cache, and compressed."""
    print("whole requests, through a cache and compressed:")
    for label, step in caching_steps().items():
        few = max(1, count // 100) if "KiB" in label else count
        print(f"  {measure(step, few):6.2f}  {label}")


async def show_policies(work: Work, count: int) -> None:
    """What each policy costs, alone and in the chain."""
    print("policies, by the difference that they make for a whole request:")
    for line in as_lines(await policy_costs(work, compare, count // 4)):
        print(line)


def show_profile(bench: Bench, count: int) -> None:
    """Every function by its own time; the profiler itself makes small ones look large."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(count):
        bench.once()
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


async def run(names: list[str], count: int, profile: bool) -> None:
    """All setups asked for."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-micro-") as directory:
        work = await asyncio.to_thread(prepare, Path(directory))
        for name in names:
            bench = await build(work, SETUPS[name])
            gc.collect()
            gc.freeze()
            show(name, bench, count)
            if profile:
                show_profile(bench, count)
        # Of the policy chain, whatever was asked for: only there is a signature looked at.
        show_optional(await build(work, SETUPS["policy"]), count)
        await show_policies(work, count)
        show_caching(count)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--setup", choices=list(SETUPS), action="append", help="default: all of them")
    parser.add_argument("--count", type=int, default=20_000, help="calls per row (default 20000)")
    parser.add_argument("--profile", action="store_true", help="also where the rest goes, function by function")
    options = parser.parse_args()
    uvloop.run(run(options.setup or list(SETUPS), options.count, options.profile))


if __name__ == "__main__":
    main()
