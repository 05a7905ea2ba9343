"""One unsigned request to an endpoint: is anybody there, and what time is it; ``doctor`` asks.

It goes the way of the signed calls (``sdk``): the same proxies, certificates and no redirects. What
the other side answers does not matter, so it is given no chance to be believed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cloud_siem.endpoint import Endpoint
from cloud_siem.foreign_warnings import spare_warnings
from cloud_siem.proxies import proxy_for

SECONDS = 10
"""For connecting, and for the answer to begin."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How an endpoint answered; or that it did not."""

    endpoint: Endpoint
    failure: str = ""
    """Why there was no answer, e.g. ``Connection refused``; empty when there was one."""
    remedy: str = ""
    """What to do about the failure, where that is known."""
    seconds: float = 0.0
    """From the question to the beginning of the answer."""
    ahead: float | None = None
    """How many seconds its clock is ahead of ours; None when it told no time."""


def reach(endpoint: Endpoint, environ: Mapping[str, str]) -> Reached:
    """Ask once; whatever comes of it is in the answer."""
    spare_warnings()
    import requests  # noqa: PLC0415 - a tenth of a second, and a dependency of the SDK

    from cloud_siem.transport import equip, failure_of  # noqa: PLC0415 - the same

    proxy = proxy_for(endpoint, environ)
    with requests.Session() as session:
        equip(session, endpoint.scheme, pool_size=1)
        began, asked = time.monotonic(), datetime.now(UTC)
        try:
            answer = session.get(
                f"{endpoint.url}/",
                proxies={endpoint.scheme: proxy.url} if proxy else {},
                timeout=SECONDS,
                allow_redirects=False,
                stream=True,
            )
        except OSError as error:  # those of requests are, too
            failure = failure_of(error, endpoint, proxy)
            through = f"through the proxy {proxy}: " if proxy else ""
            return Reached(
                endpoint=endpoint, failure=f"{through}{failure.message}", remedy=failure.remedy
            )
        except Exception as error:  # noqa: BLE001 - it raises what it likes about odd proxies
            what = f"it could not be asked ({type(error).__name__}); look at the proxy"
            return Reached(endpoint=endpoint, failure=what)
        took = time.monotonic() - began
        answer.close()
    if answer.is_redirect:
        return Reached(endpoint=endpoint, failure=f"it redirects (HTTP {answer.status_code})")
    return Reached(
        endpoint=endpoint, seconds=took, ahead=_ahead(answer.headers.get("date", ""), asked, took)
    )


def _ahead(date: str, asked: datetime, took: float) -> float | None:
    """The other clock against ours, at half-time; what it tells is cut to whole seconds."""
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (theirs.astimezone(UTC) - asked).total_seconds() + 0.5 - took / 2
