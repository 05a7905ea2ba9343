"""What pipelines post: one comment that is kept up to date, one issue for each stack, a summary.

``cloud-siem ci`` calls it. ``bodies``, ``results``, and the plan in ``issues`` are pure; ``web`` is
the one door to a platform's REST API; ``github`` and ``gitlab`` say the same things, of ``forge``,
each in its platform's words.
"""
