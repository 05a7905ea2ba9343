"""`python -m siem_emulator`: what `cloud-siem emulator` does, without the rest of `cloud-siem`."""

from __future__ import annotations

import argparse
import sys

from .command import configure, run


def main() -> int:
    """Parse the command line and run it."""
    parser = argparse.ArgumentParser(prog="siem_emulator")
    configure(parser)

    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
