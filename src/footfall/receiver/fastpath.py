"""The fast path: a plain `POST /api/checkin` goes from the socket to the intake without an ASGI task or scope.

What is plain, `PlainReader` says. Whatever else comes is handed unchanged to uvicorn's own path, which leads to the
same intake and to the same answers.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from footfall.domain.model import CheckIn
from footfall.errors import FootfallError, OverloadedError
from footfall.http.problems import PROCESS, Answer, answer, next_number, request_id
from footfall.http.protocol import HttpProtocol, written
from footfall.http.state import service_state
from footfall.identity.credentials import Credential
from footfall.identity.identities import FORBIDDEN, Identity
from footfall.logs import log
from footfall.receiver.check_in import REPLAYED
from footfall.receiver.plain import PlainReader
from footfall.receiver.state import ReceiverState
from footfall.store.calls.receive import Outcome

if TYPE_CHECKING:
    import asyncio

    from footfall.identity.quota import Quota


class FastPath(HttpProtocol):
    """uvicorn's protocol with the fast path before it.

    One check-in at a time is under way on a connection; what arrives meanwhile is held, so answers keep their order.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._receiver = receiver = service_state(self.app_state, ReceiverState)
        self._intake = receiver.intake
        self._metrics = receiver.metrics
        self._identities = receiver.identities
        self._reader = PlainReader(auth=self._identities is not None, cors=receiver.cors)
        #: asks who the client is
        self._identifying: asyncio.Task[None] | None = None
        #: whether the other path has nothing to do on this connection
        self._is_free = True
        #: whether a check-in of this path has no outcome yet
        self._under_way = False
        self._held: list[bytes] = []
        #: the client sends nothing more, or the service stops: the next answer is the last
        self._is_last = False
        #: X-Request-Id of the request under way, and its RateLimit headers
        self._request_id: str | None = None
        self._quota: Quota | None = None
        #: loop time of the last answer
        self._answered_at = 0.0

    def data_received(self, data: bytes) -> None:
        if self._under_way:
            self._held.append(data)
            self.flow.pause_reading()
        elif not (self._is_free and self._take(data)):
            super().data_received(data)
            self._is_free = self._is_between_requests()

    def eof_received(self) -> bool:  # type: ignore[override]
        if self._under_way:
            self._is_last = True
            return True
        return super().eof_received()

    def shutdown(self) -> None:
        self._receiver.is_draining = self._is_last = True
        if self._under_way:
            self._is_stopping = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        # set once and looked at when it ends: to set it again for each answer would cost as much as reading a request
        self.timeout_keep_alive_task = None
        if self._under_way:
            return
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._is_free = self._is_between_requests()

    # --- private

    def _is_busy(self) -> bool:
        return self._under_way or super()._is_busy()

    def _is_between_requests(self) -> bool:
        is_read_on = self._to_drop is None and not (self._in_message or self._unread)
        return is_read_on and not (self.pipeline or self._in_progress())

    def _linger(self) -> None:
        self._is_free = False
        super()._linger()

    def _take(self, data: bytes) -> bool:
        """Give a plain request's check-in to the intake; whether it was one."""
        if self.flow.write_paused:  # the client does not read its answers
            return False
        plain = self._reader.read(data)
        if plain is None:
            return False
        check_in, key, self._request_id, sender = plain
        if self._deadline is not None:
            self._unset_deadline()
        self._under_way = True
        if self._identities is None:
            self._add(check_in, key)
            return True
        identity = self._identities.known(sender)
        if identity is not None and (identity.quota is None or identity.quota.take(1)):
            self._add_as(identity, check_in, key)
        else:
            self._identifying = self.loop.create_task(self._identify(sender, check_in, key))
        return True

    def _add(self, check_in: CheckIn, key: str | None, owner: str = "") -> None:
        try:
            self._intake.add(check_in, self._on_outcome, key, owner)
        except OverloadedError as error:
            self._on_outcome(error, False)

    def _add_as(self, identity: Identity, check_in: CheckIn, key: str | None) -> None:
        """Give the intake a check-in whose sender is known, unless it is another's."""
        self._quota = identity.quota
        if identity.may_post(check_in.user_id):
            self._add(check_in, key, identity.owner)
        else:
            self._on_outcome(FORBIDDEN, False)

    async def _identify(self, sender: Credential | None, check_in: CheckIn, key: str | None) -> None:
        """Ask the server who that is, or for more of a token's rate."""
        assert self._identities is not None
        self._quota = None
        try:
            identity = await self._identities.find(sender)
            if identity.quota is not None:
                self._quota = identity.quota
                await identity.quota.reserve(1)
        except FootfallError as error:
            self._on_outcome(error, False)
        except Exception as error:  # a defect must not leave the client without an answer
            log.exception("The sender could not be identified")
            self._on_outcome(FootfallError(f"the sender could not be identified ({type(error).__name__})"), False)
        else:
            self._add_as(identity, check_in, key)

    def _on_outcome(self, outcome: Outcome, replayed: bool) -> None:
        self._under_way = False
        transport = self.transport
        if transport.is_closing():  # the client has gone
            return
        self.server_state.total_requests += 1
        headers = self.server_state.default_headers
        is_last = self._is_last and not self._held
        if isinstance(outcome, bytes) and not (replayed or is_last or self._quota):
            transport.write(_accepted.answer(headers, self._request_id, outcome))
        else:
            known_as = request_id(self._request_id)
            if isinstance(outcome, FootfallError):
                self._metrics.refused(outcome)
                if outcome.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                    log.error("POST /api/checkin failed (request %s): %s", known_as, outcome)
                plain_answer = answer(outcome, known_as)
            else:
                plain_answer = _accepted_answer(outcome, replayed=replayed)
            if self._quota is not None:
                plain_answer = plain_answer._replace(headers={**self._quota.headers(), **plain_answer.headers})
            transport.write(written(headers, plain_answer, known_as, is_last=is_last))
        self._answered_at = self.loop.time()
        if self._is_stopping and is_last:
            self._linger()
        elif is_last:
            transport.close()
        elif self._held:
            self._go_on()
        elif self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _go_on(self) -> None:
        """Read what was held."""
        data = b"".join(self._held)
        self._held.clear()
        self.flow.resume_reading()
        self.data_received(data)
        if self._under_way:
            return
        # the other path may have it now, and does not know yet that it is the last
        if self._is_stopping:
            super().shutdown()
        elif self._is_last and not super().eof_received():
            self.transport.close()


class _Accepted:
    """The answers to check-ins that were stored: made but for the ids, and made again when the Date changes."""

    def __init__(self) -> None:
        self._headers: object = None
        #: by the length of an entry's id: what a new number and the id are put into
        self._templates: dict[int, bytes] = {}

    def answer(self, headers: list[tuple[bytes, bytes]], sent: str | None, entry_id: bytes) -> bytes:
        """The answer with these headers of the server and this entry's id. `sent`: the id that the request has sent."""
        if sent is not None:
            return written(headers, _accepted_answer(entry_id, replayed=False), request_id(sent), is_last=False)
        if headers is not self._headers:
            self._headers = headers
            self._templates.clear()
        template = self._templates.get(len(entry_id))
        if template is None:
            whole = written(headers, _accepted_answer(entry_id, replayed=False), "", is_last=False)
            head = whole.partition(b"\r\n\r\n")[0].replace(b"%", b"%%")
            template = self._templates[len(entry_id)] = head + PROCESS.encode() + b'%08x\r\n\r\n{"id":"%b"}'
        return template % (next_number(), entry_id)


def _accepted_answer(entry_id: bytes, *, replayed: bool) -> Answer:
    headers = {**(REPLAYED if replayed else {}), "content-type": "application/json"}  # in the other path's order
    return Answer(202, headers, b'{"id":"%b"}' % entry_id)


_accepted = _Accepted()
