"""What a stack lets pass for a while: the entries of ``cloud-siem:driftIgnore``.

Made by ``stack``, used by ``drift`` alone: nothing here changes what an update does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from cloud_siem.model import WHOLE_PRODUCT


@dataclass(frozen=True, kw_only=True)
class Ignore:
    """One entry."""

    delivery: str
    """A pattern, ``product/log``: in both parts ``*`` stands for any characters."""
    reason: str
    """Why, in one line."""
    until: date
    """The last day on which it holds, in UTC."""

    def holds(self, today: date) -> bool:
        """Whether it is not over yet."""
        return today <= self.until

    def matches(self, product: str, log: str | None) -> bool:
        """Whether it is about this delivery; about a whole product only if about all its logs."""
        # In a pattern the only wildcard is `*`: the other ones of fnmatch cannot stand in it.
        return fnmatchcase(f"{product}/{log or WHOLE_PRODUCT}", self.delivery)

    def __str__(self) -> str:
        return f"{self.delivery} until {self.until} ({self.reason})"
