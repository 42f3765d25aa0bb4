"""`python -m linkie_claw.services.web`: serve Linkie Claw's pages and routes."""

from __future__ import annotations

import sys

from linkie_claw.services.web.running import main

if __name__ == "__main__":
    sys.exit(main())
