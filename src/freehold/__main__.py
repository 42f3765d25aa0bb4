"""`python -m freehold`, the same as the `freehold` command."""

from freehold.cli import main

if __name__ == "__main__":
    main()
