"""Why a goal is not reached, by measure, from the profiles and the ladder."""

WHY = {
    "unchanged": (
        "The provider's verbs are not it: no call is made, and their process costs what the floor's"
        " does but for an import (see the profiles). It is the program. The gate is an explicit"
        " dependency of every delivery; the bookend waits for one value of each delivery, and for"
        " one of the gate about each. Both are asyncio tasks of the program, which registering the"
        " deliveries needs as well. The rest is our import, the reading of the stack file and"
        " longer stack traces, which Pulumi's SDK collects for each resource."
    ),
    "refresh": (
        "Before the first read can be answered, the provider process imports the Alibaba Cloud SDK"
        " (the largest line of its profile), then asks STS and ListDelivery, one after the other:"
        " two latencies. The floor has neither; all reads wait for them."
    ),
    "create": (
        "On top of the floor and the writes stand the import of the Alibaba Cloud SDK and three"
        " latencies that nothing overlaps: identity, the look before, the look after. The rest is"
        " the program, as when nothing changed."
    ),
    "close": (
        "Each close waits until the account shows it. Four threads share looks, but a look counts"
        " only when it began after the write, so a close takes two to three latencies and not one,"
        " and there is a ListDelivery for about every second close."
    ),
    "close_product": (
        "One write has everything else to bear alone: the import of the Alibaba Cloud SDK, and the"
        " latencies of identity, the look before and the look after, one after the other."
    ),
    "state": (
        "For each delivery: its URN twice in the bookend (`dependencies` and"
        " `propertyDependencies`, 320 bytes), three frames more in the stack trace that Pulumi's"
        " SDK has the engine record for every resource (240 of about 1,400 bytes, all of them paths"
        " of the machine), its entry three times in the gate (160), the gate's URN as a dependency"
        " (130), the component in its URN and parent (60), the export (60) and the longer id (40)."
    ),
    "start": (
        "Half of it is Python's own start and standard library; the rest is the YAML reader,"
        " regular expressions and dataclasses."
    ),
    "growth": (
        "A create signs, sends and reads a call, which the floor does not; what else one more"
        " delivery costs is in the program: its dependency on the gate, its part of the bookend."
    ),
    "fleet_changed": (
        "Nearly all of the run is the engine on the stacks that changed, twice: a preview whose"
        " plan is reviewed with all others, then the update that is held to it."
    ),
    "fleet_unchanged": (
        "A larger fleet has more stack files to read before the first call, and one Python process"
        " has one thread at work at a time."
    ),
    "fleet_all": (
        "The engine's own processes start one after the other, and at the end of each phase cores"
        " wait for the last stacks."
    ),
    "drift": (
        "The stack files are read before the first call, a few milliseconds each; the SDK is"
        " imported once; and a Python process has one thread at work at a time, so that signing,"
        " sending and reading a call take turns. With few stacks the process's own start and that"
        " import are most of it."
    ),
}
