"""One resource that does nothing for each delivery of the stack file; nothing around them."""

from benchmarks.baselines.floor.resource import Floor, declared, inputs_of

for product, logs in declared().items():
    for log, state in logs.items():
        Floor(f"{product}/{log}", inputs_of(product, log, state))
