"""Why a goal is not reached, by measure, from the profiles and the ladder."""

WHY = {
    "unchanged": (
        "The provider's verbs are not it: no call is made, and their process costs what the floor's"
        " does but for an import (see the profiles). It is the program, part by part (see the"
        " ladder). Each value that it waits for is a task: Pulumi's SDK makes 26 of them for a"
        " resource of the floor and 31 for a delivery, whose five are its explicit dependency on"
        " the gate, its entry in the gate and its component; and while tasks are left, the SDK's"
        " wait for them goes through all of them again and again, so that the ratio grows with the"
        " stack. The rest is our import, the reading of the stack file, the dependencies that the"
        " engine sorts and writes, and longer stack traces."
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
        " and there is a ListDelivery for about every second close. One look after the last close"
        " would come near the goal, and is not done: the engine forgets a delivery as soon as its"
        " delete has succeeded, and nobody would close again what was acknowledged and not done."
    ),
    "close_product": (
        "One write has everything else to bear alone: the import of the Alibaba Cloud SDK, and the"
        " latencies of identity, the look before and the look after, one after the other."
    ),
    "state": (
        "For each delivery: its URN twice in the bookend (`dependencies` and"
        " `propertyDependencies`, 320 bytes), its entry in the inputs and outputs of gate and"
        " bookend (160), one frame more in the stack trace that Pulumi's SDK has the engine record"
        " for every resource (80 of about 1,400 bytes), the gate's URN as a dependency"
        " (130), the component in its URN and parent (60), the export (60) and the longer id (40)."
    ),
    "start": (
        "Half of it is Python's own start and standard library; the rest is the YAML reader,"
        " regular expressions and dataclasses."
    ),
    "growth": (
        "A create signs, sends and reads a call, which the floor does not. What else one more"
        " delivery costs is the same as when nothing changed: its tasks in the program, and the"
        " SDK's wait for them, which goes through all that are left again and again."
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
