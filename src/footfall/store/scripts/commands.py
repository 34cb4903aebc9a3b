"""The commands of each script, and the lines at its beginning that make sure of them.

The server does not roll back a script that fails half way, and an ACL can refuse a command, or a configuration file
rename it. So before a script does anything, it asks about each command that its text names. What is refused is
answered with the error `DENIED <command> refused`, what is not there with `DENIED <command> missing`. Keys need no
question: the server refuses a whole call when one of its KEYS may not be read and written.
"""

import re

#: commands that change something
WRITES = frozenset(
    (
        *("DECR", "DEL", "EXPIRE", "GEOADD", "HDEL", "HINCRBY", "HSET", "HSETNX", "INCR", "LTRIM", "MSET", "PEXPIRE"),
        *(
            "RENAME",
            "RPUSH",
            "SADD",
            "SET",
            "UNLINK",
            "XADD",
            "XDEL",
            "XGROUP|CREATE",
            "XGROUP|DESTROY",
            "XTRIM",
        ),
        *("ZADD", "ZINCRBY", "ZREM", "ZREMRANGEBYSCORE"),
    )
)
#: commands that only read; INFO is none of them, since process.lua can do without
READS = frozenset(
    (
        *(
            "EXISTS",
            "GEOPOS",
            "GET",
            "HEXISTS",
            "HGET",
            "HLEN",
            "HMGET",
            "HSCAN",
            "HVALS",
            "LLEN",
            "LRANGE",
            "MGET",
            "PTTL",
            "SCARD",
        ),
        *("SISMEMBER", "TIME", "TYPE", "XINFO|GROUPS", "XINFO|STREAM", "XLEN", "XPENDING", "XRANGE", "XREVRANGE"),
        *("ZCARD", "ZCOUNT", "ZMSCORE", "ZRANGE", "ZSCORE"),
    )
)
_COMMENT = re.compile(r"--.*")
#: a command stands in quotes: alone, or with the second word of its name in quotes behind it
_QUOTED = re.compile(r"'([A-Z]+)'(?:, '([A-Z]+)')?")

#: Lua; `denied(commands)` is nil, or the error to answer with
_DENIED = """\
local function denied(commands)
    for _, command in ipairs(commands) do
        local words = {}
        for word in string.gmatch(command, '%u+') do words[#words + 1] = word end
        local known, allowed
        for i = 1, math.max(1, #KEYS) do -- another right may hold for each key
            words[#words + (i == 1 and 1 or 0)] = KEYS[i]
            known, allowed = pcall(redis.acl_check_cmd, unpack(words))
            if allowed or not known then break end
        end
        if not known then return redis.error_reply('DENIED ' .. command .. ' missing') end
        if not allowed then return redis.error_reply('DENIED ' .. command .. ' refused') end
    end
end
"""


def named_in(source: str) -> frozenset[str]:
    """Every command that the text of a script names, those with two words as `XINFO|STREAM`."""
    found: set[str] = set()
    for word, second in _QUOTED.findall(_COMMENT.sub("", source)):
        found |= {word, second, f"{word}|{second}"} & (WRITES | READS)
    return frozenset(found)


def guarded(source: str, *, reads_only: bool = False) -> str:
    """The script with the lines that ask about its commands behind its first one.

    `reads_only`: about those alone that only read, for a call that may not write anyway.
    """
    wanted = sorted(named_in(source) - (WRITES if reads_only else frozenset()))
    first, newline, rest = source.partition("\n")
    guard = _DENIED
    if wanted:
        checks = " and ".join(f"check({', '.join(map(_quoted, command.split('|')))}, key)" for command in wanted)
        # one pcall for all of them, and a key that stands for all: nothing is refused, nearly always
        guard += f"""\
do
    local check, key = redis.acl_check_cmd, KEYS[1]
    local known, allowed = pcall(function() return {checks} end)
    local denial = not (known and allowed) and denied({{{", ".join(map(_quoted, wanted))}}})
    if denial then return denial end
end
"""
    return first + newline + guard + rest


def _quoted(word: str) -> str:
    return f"'{word}'"
