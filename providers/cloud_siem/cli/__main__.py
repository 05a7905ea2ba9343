"""``python -m cloud_siem.cli``: the command line where no console script is on PATH."""

from __future__ import annotations

import sys

from cloud_siem.cli import main

if __name__ == "__main__":
    sys.exit(main())
