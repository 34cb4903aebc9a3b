"""What a password is: clear text, a bcrypt hash, or what nobody can sign in with. None is ever logged."""

import re

#: bytes that bcrypt takes
MAX_BYTES = 72

#: hexadecimal digits of common digests
_DIGESTS = {32: "an MD5", 40: "a SHA-1", 56: "a SHA-224", 64: "a SHA-256", 96: "a SHA-384", 128: "a SHA-512"}
_hexadecimal = re.compile(r"[0-9a-f]+|[0-9A-F]+").fullmatch
_incomplete_bcrypt = re.compile(r"\$2[abxy]?\$[0-9]{2}\$").match
#: of crypt(3) and the PHC string format, of Django, of LDAP
_other_hash = re.compile(
    r"\$(1|5|6|7|y|gy|md5|sha1|apr1|argon2(id|i|d)|scrypt|pbkdf2(-[a-z0-9]+)?)\$.*\$"
    r"|(pbkdf2_sha(1|256)|bcrypt(_sha256)?|argon2|scrypt|md5|sha1)\$.*\$"
    r"|\{(S?MD5|S?SHA|S?SHA(256|384|512)|CRYPT|PBKDF2[-A-Z0-9]*)\}."
).match
_hash = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}").fullmatch


def is_hash(password: str) -> bool:
    """Whether it is a bcrypt hash."""
    return _hash(password) is not None


def digest_in(password: str) -> str | None:
    """What a password is that was hashed in another way: nobody could sign in who knows what it was made of.

    None for clear text, as far as one can tell, and for a bcrypt hash.
    """
    if is_hash(password):
        return None
    if name := _DIGESTS.get(len(password)) if _hexadecimal(password) else None:
        return f"{name} digest ({len(password)} hexadecimal digits)"
    if _incomplete_bcrypt(password):
        return "a bcrypt hash that was cut off or changed"
    return "a password hash of another kind" if _other_hash(password) else None
