"""The roles that a worker elsewhere has assumed: one session for each account, while it lasts.

Called by ``cluster``, on the worker. Sessions do not travel, so a worker assumes the role of a
task's stack itself; else each process of the engine would, and a stack that changes has four.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from cloud_siem.fleet.tasks import Task
from cloud_siem.loading import load_stack_text
from cloud_siem.project import file_name_of
from cloud_siem.stack import Stack
from cloud_siem.survey import Survey, credential_key
from cloud_siem.unrecorded import Unrecorded

KEPT = 1000
"""Accounts whose sessions a worker keeps; the one that it met first makes room for another."""


class Sessions(Unrecorded):
    """Sessions of one process; safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._surveys: dict[object, Survey] = {}

    def of(self, task: Task) -> Mapping[str, str]:
        """The session of the role of a task's stack; empty where it has none.

        :raises CloudSiemError: the role could not be assumed.
        """
        stack = _stack(task)
        return self._survey(stack).session(stack)

    def _survey(self, stack: Stack) -> Survey:
        with self._lock:
            survey = self._surveys.setdefault(credential_key(stack), Survey([stack]))
            if len(self._surveys) > KEPT:
                del self._surveys[next(iter(self._surveys))]
            return survey


def _stack(task: Task) -> Stack:
    """The task's stack, with the settings that hold on this machine for this run."""
    data, environ = task.text.encode("utf-8"), {**os.environ, **task.environment}
    return load_stack_text(data, file_name_of(task.stack), environ)
