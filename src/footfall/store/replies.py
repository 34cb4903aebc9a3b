"""A server's reply as redis-cli prints it, but letters of all languages are left as they are."""

from typing import Any

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\a": r"\a", "\b": r"\b"})


def printed(reply: Any, indent: str = "") -> str:
    """The reply in lines; the items of a list are numbered, those of a list in it further in."""
    if reply is None:
        return "(nil)"
    if isinstance(reply, int):
        return f"(integer) {reply}"
    if isinstance(reply, bytes):
        return f'"{escaped(reply)}"'
    if isinstance(reply, Exception):
        return f"(error) {reply}"
    if not reply:
        return "(empty array)"
    width = len(str(len(reply)))
    deeper = indent + " " * (width + 2)
    lines = [f"{number:>{width}}) {printed(item, deeper)}" for number, item in enumerate(reply, 1)]
    return f"\n{indent}".join(lines)


def escaped(value: bytes) -> str:
    """The value as text that is safe to show: what cannot be printed is escaped."""
    text = value.decode(errors="surrogateescape").translate(_ESCAPES)
    return "".join(
        character if character.isprintable() else "".join(rf"\x{byte:02x}" for byte in _bytes(character))
        for character in text
    )


def _bytes(character: str) -> bytes:
    return character.encode(errors="surrogateescape")
