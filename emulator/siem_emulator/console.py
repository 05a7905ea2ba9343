"""The one page for people, at `/_siem/`: accounts, what is open, and the last calls.

Called by `control.py`. Every text is escaped where it becomes HTML: `Html` is the only type that is
not.
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable

from .calls import Received, SideEffect
from .service import Service
from .state import Panel
from .world import Account, Region, View

LAST_CALLS = 50
FIRST_ACCOUNTS = 50

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
table { border-collapse: collapse; margin-bottom: 2rem; width: 100%; }
caption { font-weight: 600; padding: .5rem 0; text-align: left; }
td, th { border-bottom: 1px solid #8884; padding: .2rem .6rem .2rem 0; text-align: left; }
.open { color: #157347; }
.failed { color: #b02a37; }
@media (prefers-color-scheme: dark) {
  body { background: #16181d; color: #e6e6e6; }
  a, .open { color: #6cc49a; }
  .failed { color: #f1868f; }
}
"""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, *children: str, **attributes: str) -> Html:
    """One element; children and attributes that are not HTML yet are escaped."""
    opening = name + "".join(
        f' {key.rstrip("_")}="{html.escape(value)}"' for key, value in attributes.items()
    )

    return Html(f"<{opening}>{''.join(map(_escaped, children))}</{name}>")


def _escaped(child: str) -> str:
    return child if isinstance(child, Html) else html.escape(child)


def page(service: Service, *, account: str = "") -> str:
    """The page, about one account in detail if there is such a one."""
    known = service.world.accounts.get(account, service.world.first)
    head = element(
        "head",
        Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
        element("title", "Embedded Cloud SIEM"),
        element("style", Html(STYLE)),
    )
    body = element(
        "body",
        element("h1", "Embedded Cloud SIEM"),
        element("p", f"World {service.world.name}. Nothing here is real."),
        _accounts(service),
        _deliveries(service, known),
        _calls(service.calls.all()[-LAST_CALLS:]),
        _effects(service.calls.effects()[-LAST_CALLS:]),
    )

    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en")


def _table(caption: str, heads: Iterable[str], rows: Iterable[Html]) -> Html:
    return element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
        element("tbody", *rows),
    )


def _row(*cells: str) -> Html:
    return element("tr", *(element("td", cell) for cell in cells))


def _accounts(service: Service) -> Html:
    accounts = list(service.world.accounts.values())
    caption = f"Accounts ({len(accounts)})"
    if len(accounts) > FIRST_ACCOUNTS:
        caption = f"Accounts (the first {FIRST_ACCOUNTS} of {len(accounts)})"

    return _table(
        caption,
        ("account", "name", "administered by", *(f"open in {region}" for region in Region)),
        (_account_row(service, each) for each in accounts[:FIRST_ACCOUNTS]),
    )


def _account_row(service: Service, account: Account) -> Html:
    return _row(
        element("a", account.id, href=f"/_siem/?account={account.id}"),
        account.name,
        service.world.administrators.get(account.id, ""),
        *(str(len(service.state.open_places(Panel(account.id, region)))) for region in Region),
    )


def _deliveries(service: Service, account: Account) -> Html:
    views = [View.ACCOUNT]
    if account.id in service.world.members:
        views.append(View.ENTERPRISE)
    panels = [Panel(account.id, region, view) for view in views for region in Region]
    seen = [service.state.seen(panel) for panel in panels]

    return _table(
        f"Deliveries of {account.id} ({account.name})",
        ("product", "log", *(f"{panel.region}, {panel.view}" for panel in panels)),
        (
            _row(*place, *(_lamp(is_open=switches[place]) for switches in seen))
            for product in service.state.products(account.id)
            for place in product.places
        ),
    )


def _lamp(*, is_open: bool) -> Html:
    return element("span", "open", class_="open") if is_open else Html("closed")


def _calls(calls: Iterable[Received]) -> Html:
    return _table(
        "Last calls, newest first",
        ("no.", "time (UTC)", "action", "account", "what", "status", "request id", "user agent"),
        (_call_row(each) for each in reversed(list(calls))),
    )


def _call_row(call: Received) -> Html:
    code = " ".join(part for part in (str(call.status), call.code, call.fault) if part)

    return _row(
        str(call.seq),
        time.strftime("%H:%M:%S", time.gmtime(call.time)),
        call.action,
        call.account,
        "/".join(part for part in (call.product, call.log) if part),
        element("span", code, class_="failed") if call.code or call.fault else code,
        call.request_id,
        call.user_agent,
    )


def _effects(effects: Iterable[SideEffect]) -> Html:
    return _table(
        "Closed by the service itself, newest first",
        ("time (UTC)", "after call no.", "account", "region", "view", "log"),
        (
            _row(
                time.strftime("%H:%M:%S", time.gmtime(effect.time)),
                str(effect.cause),
                effect.account,
                effect.region,
                effect.view,
                f"{effect.product}/{effect.log}",
            )
            for effect in reversed(list(effects))
        ),
    )
