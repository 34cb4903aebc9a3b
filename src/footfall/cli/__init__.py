"""The command line: what each subcommand takes, and where its work is done.

Commands are thin: they read settings and options, and call a folder below. Nothing imports this one.
"""

from footfall.cli.app import app, main

# ruff: noqa: I001 - the help lists the commands in this order
from footfall.cli import services
from footfall.cli import data
from footfall.cli import upkeep
from footfall.cli import access
from footfall.cli import manage
# isort: on

__all__ = ["access", "app", "data", "main", "manage", "services", "upkeep"]
