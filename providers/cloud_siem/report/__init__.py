"""The drift report: what is in it (``contents``), what is new (``baseline``), and its formats.

A format is a small module ``as_<format>`` with a function from a ``DriftReport`` to text. It lays
sentences out and decides nothing; ``writing`` knows which formats there are, and writes files
whole or not at all.
"""
