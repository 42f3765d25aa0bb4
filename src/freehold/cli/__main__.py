"""`python -m freehold.cli`, the same as `freehold`."""

from freehold.cli import main

main()
