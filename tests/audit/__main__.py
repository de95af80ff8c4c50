"""`python -m tests.audit [PART...]`: exit code 1 where a bound is broken, 2 for an unknown part."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.audit.frame import ROOT, parts, run_part


def main() -> int:
    known = parts()
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(known)}; all where none is named")
    parser.add_argument("--out", type=Path, default=ROOT / "audits", help="folder of the tables and of what is kept")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.part if name not in known]
    if unknown:
        print(f"no part {', '.join(unknown)}: expected {', '.join(known)}", file=sys.stderr)  # noqa: T201
        return 2
    chosen = [known[name] for name in arguments.part] or list(known.values())
    arguments.out.mkdir(parents=True, exist_ok=True)
    broken = [line for part in chosen for line in run_part(part, arguments.out, tell)]
    return 1 if broken else 0


def tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
