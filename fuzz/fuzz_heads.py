"""Coverage-guided fuzzing of `fuzz.targets.heads`, with libFuzzer's options; see docs/strictness.md.

python -m fuzz.fuzz_heads DIRECTORY fuzz/corpus/heads -max_total_time=300
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gateway.http"]):
    from fuzz.targets import heads

if __name__ == "__main__":
    atheris.Setup(sys.argv, heads)
    atheris.Fuzz()
