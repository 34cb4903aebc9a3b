"""The command line: what each subcommand takes, and where its work is done."""

from footfall.cli.app import app, main

# ruff: noqa: I001 - the help lists the commands in this order
from footfall.cli import services
from footfall.cli import data
from footfall.cli import upkeep
from footfall.cli import access
from footfall.cli import records
# isort: on

__all__ = ["access", "app", "data", "main", "records", "services", "upkeep"]
