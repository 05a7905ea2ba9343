"""The operations on an account: what is open, open, close, who am I, whom do I administer.

Called by ``session`` and by the commands that need no engine. Three layers, each with one concern:
an operation (``look``, ``switch``, ``identity``, ``members``) -> ``_ask``: retries within a
deadline -> ``_call``: the request rate and one call through ``sdk``. What the cloud's errors mean
to a person stands in ``explain``.

Retried are throttling, ``InternalError``, ``SLS.*``, a gateway's 502 to 504 and lost connections
(``CallFailed.may_pass``). After a failure that leaves open whether the cloud acted, a write looks
before it acts again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from cloud_siem import convert
from cloud_siem.call import CallFailed, Failure, Request
from cloud_siem.errors import ApiError
from cloud_siem.explain import Asked, explained, malformed, not_done, not_seen
from cloud_siem.foreign_warnings import spare_warnings
from cloud_siem.model import DeliveryKey, Member, Perspective, Snapshot, Standing, State, judge
from cloud_siem.origin import Origin
from cloud_siem.pacing import Clock, Deadline, RequestRate, backoff
from cloud_siem.settings import ASSUMED, Endpoint, Settings
from cloud_siem.tally import Tally

if TYPE_CHECKING:
    from cloud_siem.sdk import Sdk

SIEM_VERSION = "2022-06-16"
STS_VERSION = "2015-04-01"
BURST = 10
"""Calls that may go out at once before the setting ``requestRate`` holds them back."""
_ACTIONS = {State.OPEN: "OpenDelivery", State.CLOSED: "CloseDelivery"}

T = TypeVar("T")


@dataclass(kw_only=True)
class Credential:
    """One credential in one process, for all who use it: its client, its pace, whose it is."""

    settings: Settings
    perspective: Perspective
    """Of one of those who use it: for the role's account and the endpoints' region."""
    origin: Origin = field(default_factory=Origin)
    clock: Clock = field(default_factory=Clock)
    users: str = ""
    """Who they are, for errors; empty where it is this perspective alone."""

    def __post_init__(self) -> None:
        rate = self.settings.request_rate
        self.rate = RequestRate(rate=rate, burst=BURST, clock=self.clock)
        self._sdk: Sdk | None = None
        self._making = threading.Lock()
        self._asking = threading.Lock()
        self._identity: convert.Identity | ApiError | None = None

    @property
    def sdk(self) -> Sdk:
        """The client; made when a call is due."""
        with self._making:  # one client: each would assume the role for itself
            if self._sdk is None:
                spare_warnings()
                # Here and not above: the SDK takes most of a second, and most runs make no call.
                from cloud_siem.sdk import Sdk  # noqa: PLC0415

                self._sdk = Sdk(
                    self.settings,
                    account=self.perspective.account,
                    sts=self.settings.sts_endpoint(self.perspective.region),
                    user_agent=self.origin.user_agent,
                    session_name=self.settings.role_session_name or self.origin.session_name,
                )
            return self._sdk

    def identity(self, ask: Callable[[], convert.Identity]) -> convert.Identity:
        """Who the credential is; asked once, and what failed for good has failed for all."""
        with self._asking:
            if self._identity is None:
                try:
                    self._identity = ask()
                except ApiError as error:
                    self._identity = error
            if isinstance(self._identity, ApiError):
                raise self._identity
            return self._identity


@dataclass(kw_only=True)
class Api:
    """The API as one credential sees it from one perspective; safe to use from threads."""

    settings: Settings
    perspective: Perspective
    origin: Origin = field(default_factory=Origin)
    clock: Clock = field(default_factory=Clock)
    credential: Credential | None = None
    """Shared by all who use the same one; None makes one for this Api alone."""
    tally: Tally = field(default_factory=Tally)
    """Counts what is sent, where somebody wants to know."""

    def __post_init__(self) -> None:
        self.calls = 0
        """Requests that were sent; for one thread at a time."""
        self._credential = self.credential or Credential(
            settings=self.settings,
            perspective=self.perspective,
            origin=self.origin,
            clock=self.clock,
        )

    def look(self) -> Snapshot:
        """One ListDelivery: every log of every connected product.

        :raises ApiError: it could not be read within the deadline.
        """
        return self._look(self._deadline())

    def identity(self) -> convert.Identity:
        """Who the credentials are (STS GetCallerIdentity, which needs no permission).

        :raises ApiError: STS could not say.
        """
        return self._credential.identity(self._ask_identity)

    def members(self) -> tuple[Member, ...]:
        """One ListRdUsers: the accounts that this one administers; none if it administers none.

        :raises ApiError: they could not be read within the deadline.
        """
        request = Request(
            action="ListRdUsers",
            version=SIEM_VERSION,
            endpoint=self._endpoint,
            parameters=convert.region_parameters(self.perspective.region),
        )
        asked = Asked(request=request, subject=f"for {self.perspective}")
        return _converted(asked, self._ask(asked, self._deadline()), convert.to_members)

    def session(self) -> Mapping[str, str]:
        """The session of the role, as an environment for a process; empty where none is assumed.

        :raises ApiError: the role could not be assumed.
        """
        role = self.settings.role_for(self.perspective.account)
        if role is None:
            return {}
        endpoint = self.settings.sts_endpoint(self.perspective.region)
        request = Request(
            action="AssumeRole", version=STS_VERSION, endpoint=endpoint, parameters={}
        )
        asked = Asked(request=request, subject=f"for {self._users}")
        deadline = self._deadline()
        # The SDK makes the call, and keeps the session until it is nearly over.
        sdk = self._credential.sdk
        found = self._retried(asked, deadline, lambda: sdk.session(seconds=deadline.left))
        return {**found, ASSUMED: role}

    def switch(self, key: DeliveryKey, state: State) -> str:
        """Open or close one delivery; returns the RequestId of the write.

        One write, repeated only when the cloud said that it did not act, or when it may have and
        the account does not show it. When the answer of a write was lost and the account shows it
        done, the RequestId is that of the ListDelivery that showed it. Whether the account shows
        an accepted write is for the caller to see (``session.settle``).

        :raises ApiError: the cloud did not accept it within the deadline.
        """
        request = Request(
            action=_ACTIONS[state],
            version=SIEM_VERSION,
            endpoint=self._endpoint,
            parameters=convert.delivery_parameters(key),
        )
        asked = Asked(request=request, subject=f"of {key}", writes=True)
        deadline = self._deadline()
        body = self._ask(
            asked, deadline, unless=lambda: self._look_shows(asked, key, state, deadline)
        )
        request_id = convert.request_id_of(body)
        if not _converted(asked, body, convert.to_accepted):
            raise not_done(asked, request_id)
        self.tally.switched(state)
        return request_id

    @property
    def credential_source(self) -> str:
        """Where the credentials come from, e.g. ``default/env``; never what they are."""
        return self._credential.sdk.source

    @property
    def _users(self) -> str:
        return self._credential.users or str(self.perspective)

    @property
    def _endpoint(self) -> Endpoint:
        return self.settings.api_endpoint(self.perspective.region)

    def _deadline(self) -> Deadline:
        _ = (
            self._credential.sdk
        )  # before the time runs: the SDK's import is not the cloud's slowness
        return Deadline.of(self.settings.deadline, self.clock)

    def _ask_identity(self) -> convert.Identity:
        endpoint = self.settings.sts_endpoint(self.perspective.region)
        request = Request(
            action="GetCallerIdentity", version=STS_VERSION, endpoint=endpoint, parameters={}
        )
        asked = Asked(request=request, subject=f"for {self._users}")
        return _converted(asked, self._ask(asked, self._deadline()), convert.to_identity)

    def _look(self, deadline: Deadline) -> Snapshot:
        request = Request(
            action="ListDelivery",
            version=SIEM_VERSION,
            endpoint=self._endpoint,
            parameters=convert.perspective_parameters(self.perspective),
        )
        asked = Asked(request=request, subject=f"for {self.perspective}")
        taken_at = datetime.now(UTC)
        body = self._ask(asked, deadline)
        return _converted(
            asked, body, lambda answer: convert.to_snapshot(answer, self.perspective, taken_at)
        )

    def _look_shows(
        self, asked: Asked, key: DeliveryKey, state: State, deadline: Deadline
    ) -> Body | None:
        """The answer a write would have had, when the account shows it done."""
        try:
            snapshot = self._look(deadline)
        except ApiError as error:
            raise not_seen(asked, error) from None
        done = judge(key, state, snapshot).standing is Standing.AS_DECLARED
        return {"Data": True, "RequestId": snapshot.request_id} if done else None

    def _ask(
        self, asked: Asked, deadline: Deadline, unless: Callable[[], Body | None] | None = None
    ) -> Body:
        """Call until there is an answer, an error that stays, or no time left.

        ``unless`` is asked before a call is repeated on which the cloud may have acted; its answer
        stands for the lost one.
        """
        return self._retried(asked, deadline, lambda: self._call(asked.request, deadline), unless)

    def _retried(
        self,
        asked: Asked,
        deadline: Deadline,
        act: Callable[[], Body],
        unless: Callable[[], Body | None] | None = None,
    ) -> Body:
        attempt = 1
        before: CallFailed | None = None
        in_doubt = False  # whether the cloud may have acted on an attempt
        while True:
            try:
                return act()
            except CallFailed as failure:
                if failure.failure is Failure.HELD and before is not None:
                    raise explained(
                        asked, before, attempt - 1, deadline, in_doubt=in_doubt
                    ) from None
                pause = backoff(attempt, self.clock, failure.retry_after)
                if not failure.may_pass or pause >= deadline.left:
                    raise explained(asked, failure, attempt, deadline, in_doubt=in_doubt) from None
                in_doubt |= not failure.without_effect
                before = failure
            self.clock.sleep(pause)
            if unless and in_doubt and (answer := unless()):
                return answer
            attempt += 1

    def _call(self, request: Request, deadline: Deadline) -> Body:
        client = self._credential.sdk
        self._credential.rate.wait()
        if deadline.left <= 0:
            # Not sent with what time is left: a write whose answer nobody waits for is a guess.
            raise CallFailed(Failure.HELD, "")
        self.calls += 1
        self.tally.called()
        return client.call(request, seconds=deadline.left)


Body = dict[str, Any]
"""A JSON object as it came."""


def _converted(asked: Asked, body: Body, convert_body: Callable[[Body], T]) -> T:
    try:
        return convert_body(body)
    except convert.ShapeError as error:
        raise malformed(asked, str(error), convert.request_id_of(body)) from None
