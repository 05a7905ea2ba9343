"""Many stacks, one command: which ones, who of them needs the engine, where it runs, what it did.

::

    selection   words of a command line -> stacks                                         (pure)
    need        what the accounts show and the last run recorded -> who needs the engine
    tasks       what travels to a worker, and what comes back: values, and never a secret
    running     one task: one run of the real engine, through ``engine``, its one door
    executing   many tasks on any ``concurrent.futures`` executor
    cluster     the executor of a Dask cluster: workers that share no disk with us
    sessions    the roles that such a worker has assumed
    rails       all previews together: whether the fleet may go on                        (pure)
    fleets      list, preview, up and refresh, in their order
    rollup      what became of every stack, and its formats
    accounts    the members of an enterprise against the stack files                      (pure)

Called by the commands alone. Nothing here imports Pulumi but ``engine``, and that only when a run
is due.
"""
