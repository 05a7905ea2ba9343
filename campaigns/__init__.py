"""Long runs that look for what goes wrong: `make campaign`, docs/reliability.md."""
