"""`python -m agents` is the `dangol` command."""

from __future__ import annotations

from agents.cli import main

if __name__ == "__main__":
    main(prog_name="dangol")
