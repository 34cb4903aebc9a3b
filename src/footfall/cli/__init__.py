"""The command line: what each subcommand takes, and where its work is done."""

from footfall.cli.app import app, main

# ruff: noqa: I001 - the help lists the commands in this order
from footfall.cli import services
from footfall.cli import data
# isort: on

__all__ = ["app", "data", "main", "services"]
