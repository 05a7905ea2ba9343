"""The program: what the stack's file declares, between its gate and its settled resource."""

import pulumi

import cloud_siem

stack = cloud_siem.load_stack()
if not stack.deliveries:
    pulumi.log.warn(
        f"Stack {stack.name} declares no deliveries. What it declared before closes, unless it was"
        " recorded with onRemove: keep."
    )

account = cloud_siem.AccountDeliveries("deliveries", stack)

pulumi.export("account", stack.perspective.account)
pulumi.export("region", stack.perspective.region.value)
pulumi.export("deliveries", {name: one.state for name, one in account.deliveries.items()})
pulumi.export("reasons", {one.key.name: one.reason for one in stack.deliveries if one.reason})
