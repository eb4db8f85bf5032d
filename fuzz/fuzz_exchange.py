"""Coverage-guided fuzzing of `fuzz.targets.exchange`, with libFuzzer's options; see docs/strictness.md.

python -m fuzz.fuzz_exchange DIRECTORY fuzz/corpus/exchange -max_total_time=300
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gateway.http", "gateway.roles.exchange", "gateway.upstream"]):
    from fuzz.targets import exchange

if __name__ == "__main__":
    atheris.Setup(sys.argv, exchange)
    atheris.Fuzz()
