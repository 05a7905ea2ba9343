"""The formats of a fleet's roll-up, a module for each; ``report.writing`` has them into files."""

PACKAGE = __name__
