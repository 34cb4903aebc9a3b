"""How many entries a batch has: as many as the server applies in the time that one call may hold it."""

#: a script call holds the server for its whole length, so the size of batches adapts to keep it this short
_LONGEST_CALL_S = 0.010
_FIRST, _SMALLEST = 250, 50
#: weight of one call in the estimate of what an entry takes: one disturbed call does not change much
_SMOOTHING = 0.1
#: seconds that no entry takes less than: a clock may stand still
_LEAST_ENTRY_S = 1e-7
#: Entries whose reply the server sends in one go: 64 KB. The rest of a longer one waits until it has executed what it
#: has received by then.
_SENT_AT_ONCE = 640


class BatchSize:
    """The size of the next batch, adapted to what the server took for the last ones.

    `entries` is read for each batch, so it is a plain attribute.
    """

    def __init__(self, most: int) -> None:
        """`most`: the limit; with 1, each entry is a batch of its own."""
        self._most = most
        self._entry_s = _LONGEST_CALL_S / _FIRST
        self.entries = min(most, _FIRST)

    @property
    def exceeds_one_reply(self) -> bool:
        """Whether the reply to a read of so many entries may come in two pieces, with a call of a script in between."""
        return self.entries > _SENT_AT_ONCE

    def adapt(self, entries: int, held_s: float) -> None:
        """Move towards the size whose call takes `_LONGEST_CALL_S`: a call with so many entries has held the server.

        `held_s` is the server's own measure: until a reply is looked at here, other work of this process passes, too.
        """
        if entries < _SMALLEST:
            return
        self._entry_s += (held_s / entries - self._entry_s) * _SMOOTHING
        wanted = int(_LONGEST_CALL_S / max(self._entry_s, _LEAST_ENTRY_S))
        self.entries = min(max(_SMALLEST, wanted), self._most)
