"""From the floor up to our program, one part at a time; RUNG says how many parts.

0 the floor, 1 a component around it, 2 the gate before all, 3 the bookend after all, 4 the export
of every state, 5 our own reading of the stack file. What is then left is our resource class and
our provider's verbs.
"""

import os

import pulumi
from benchmarks.baselines.floor.resource import Floor, declared, inputs_of

import cloud_siem

RUNG = int(os.environ["RUNG"])
COMPONENT, GATE, BOOKEND, EXPORT, READING = range(1, 6)


class Around(pulumi.ComponentResource):
    """As `AccountDeliveries`."""


def main() -> None:
    if RUNG >= READING:
        cloud_siem.load_stack()
    around = Around("cloud-siem:index:Around", "deliveries") if RUNG >= COMPONENT else None
    entries = [(p, log, state) for p, logs in declared().items() for log, state in logs.items()]
    gates = []
    if RUNG >= GATE:
        whole = {f"{product}/{log}": state for product, log, state in entries}
        gates.append(Floor("gate", whole, pulumi.ResourceOptions(parent=around)))
    items = {
        f"{product}/{log}": Floor(
            f"{product}/{log}",
            inputs_of(product, log, state),
            pulumi.ResourceOptions(parent=around, depends_on=list(gates)),
        )
        for product, log, state in entries
    }
    if RUNG >= BOOKEND:
        requests = {name: item.request_id for name, item in items.items()}
        opts = pulumi.ResourceOptions(parent=around, depends_on=list(gates))
        Floor("settled", {"written": requests}, opts)
    if RUNG >= EXPORT:
        pulumi.export("deliveries", {name: item.state for name, item in items.items()})


main()
