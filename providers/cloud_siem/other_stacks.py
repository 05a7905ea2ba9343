"""What the other stack files of the project declare open."""

from __future__ import annotations

from dataclasses import dataclass

from cloud_siem.model import DeliveryKey, Region


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A delivery that another stack file declares open."""

    stack: str
    file: str
    key: DeliveryKey


@dataclass(frozen=True, kw_only=True)
class OtherStacks:
    """What the other stack files declare open."""

    claims: tuple[Claim, ...] = ()
    unknown: tuple[str, ...] = ()

    def claims_on(
        self, owner: str, region: Region, product: str, log: str | None
    ) -> tuple[Claim, ...]:
        return ()

    def closes(self, log: DeliveryKey) -> bool:
        return False
