"""One unsigned request to an endpoint: is anybody there, and what time is it; ``doctor`` asks.

It goes the way of the signed calls (``sdk``): the same proxies, certificates and no redirects. What
the other side answers does not matter, so it is given no chance to be believed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cloud_siem.call import first_cause
from cloud_siem.endpoint import Endpoint

SECONDS = 10
"""For connecting, and for the answer to begin."""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy that calls go through."""

    variable: str
    """Which environment variable says so."""
    url: str

    def __str__(self) -> str:
        """Its place, without a user or a password."""
        return re.sub(r"^([a-z0-9+.-]+://)?[^/@]*@", r"\1", self.url, flags=re.IGNORECASE)

    def __repr__(self) -> str:
        return f"Proxy({self})"


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How an endpoint answered; or that it did not."""

    endpoint: Endpoint
    failure: str = ""
    """Why there was no answer, e.g. ``Connection refused``; empty when there was one."""
    seconds: float = 0.0
    """From the question to the beginning of the answer."""
    ahead: float | None = None
    """How many seconds its clock is ahead of ours; None when it told no time."""


def proxy_for(endpoint: Endpoint, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that the SDK uses; it asks neither NO_PROXY nor ALL_PROXY.

    Nobody is asked on the way to loopback (``sdk``).
    """
    if endpoint.loopback:
        return None
    name = f"{endpoint.scheme.upper()}_PROXY"
    found = next((one for one in (name, name.lower()) if environ.get(one)), "")
    return Proxy(variable=found, url=environ[found]) if found else None


def reach(endpoint: Endpoint, environ: Mapping[str, str]) -> Reached:
    """Ask once; whatever comes of it is in the answer."""
    import requests  # noqa: PLC0415 - a tenth of a second, and a dependency of the SDK

    proxy = proxy_for(endpoint, environ)
    with requests.Session() as session:
        session.trust_env = False  # else netrc would give it a password
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
            return Reached(endpoint=endpoint, failure=first_cause(error))
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
