"""What this project costs beside the engine's floor, measured in pairs within one run.

    make bench          all measures, an hour; writes docs/benchmarks.md
    make bench-quick    the small ones, under two minutes; a table and nothing else

`usage` runs a command and says what its whole tree of processes took; `project` is a scratch
project on the real engine and an emulator; `measures` is the table of what is measured and what
must be reached; `figures` are the statistics; `report` lays rows out.
"""
