"""What an organization demands of its stacks, and a provider cannot know.

``declared`` reads what the engine shows of a resource, ``rules`` judges it, ``config`` reads what
the organization demands; all three are pure. ``pack`` alone knows Pulumi. Nothing here imports
``cloud_siem``: a pack has an environment of its own, and is published as its folder.
"""
