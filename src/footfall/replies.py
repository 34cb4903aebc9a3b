"""A server's reply as redis-cli prints it."""

from typing import Any


def printed(reply: Any, indent: str = "") -> str:
    """The reply in lines; the items of a list are numbered, those of a list in it further in."""
    if reply is None:
        return "(nil)"
    if isinstance(reply, bool | int):
        return f"(integer) {int(reply)}"
    if isinstance(reply, bytes):
        return f'"{reply.decode(errors="backslashreplace")}"'
    if isinstance(reply, dict):
        reply = [item for pair in reply.items() for item in pair]
    if isinstance(reply, list | tuple | set):
        if not reply:
            return "(empty)"
        width = len(str(len(reply)))
        deeper = indent + " " * (width + 2)
        lines = [f"{number:>{width}}) {printed(item, deeper)}" for number, item in enumerate(reply, 1)]
        return f"\n{indent}".join(lines)
    return str(reply)
