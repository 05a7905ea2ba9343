"""As many deliveries as an account could have, and many more."""

from __future__ import annotations

from collections.abc import Callable

from siem_emulator import EmulatorServer, World
from tests.engine.engine import Engine

DELIVERIES = 400
"""The usual dynamic provider dies at the 320th resource: the pickles of its class nest."""


def test_four_hundred_deliveries_in_one_stack(
    engine_on: Callable[[EmulatorServer], Engine],
) -> None:
    """They are opened with one look before and one after, and then left alone."""
    world = World.build(logs=DELIVERIES)
    with EmulatorServer(world) as siem:
        engine = engine_on(siem)
        engine.environment["PULUMI_SKIP_CHECKPOINTS"] = "true"
        engine.environment["PULUMI_EXPERIMENTAL"] = "true"
        engine.declare(
            {
                product.code: {log.code: "open" for log in product.logs}
                for product in world.catalog.products.values()
            }
        )

        first = engine.up()
        second = engine.up()

        assert first.code == 0, first.text
        assert first.actions == {
            "GetCallerIdentity": 1,
            "ListDelivery": 2,
            "OpenDelivery": DELIVERIES,
        }
        assert len(siem.open_logs()) == DELIVERIES
        assert (second.code, second.calls) == (0, ())
        assert second.counts == {"unchanged": DELIVERIES + 4}
