"""The engine's floor: as many resources with the same bags, and a provider that does nothing."""
