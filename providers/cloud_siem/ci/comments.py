"""One comment on a pull or merge request, kept up to date; called by ``cloud-siem ci comment``.

1. Ours is found by its marker. None: it is made, unless nothing changes. The same text: nothing
   is written. Else it is changed in place.
2. Somebody deletes it at that moment: it is made anew.
3. Two runs at once make two: each run looks again after making one, and the newer goes; its text
   moves to the older.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from cloud_siem.ci.bodies import has_marker, same
from cloud_siem.ci.forge import Comment, Forge
from cloud_siem.errors import PlatformError

NOTHING_CHANGES = (
    "**Nothing changes any more.** What this comment said of an earlier commit is out of date."
)


class Done(Enum):
    """What became of the comment."""

    MADE = "the comment was made"
    UPDATED = "the comment was updated"
    UNCHANGED = "the comment says so already"
    NOT_NEEDED = "nothing changes, and there was no comment: none was made"


def keep(forge: Forge, mark: str, text: str) -> Done:
    """Have exactly one comment with the marker, of this text.

    :raises PlatformError: the platform cannot be asked, or refuses.
    """
    found = _of(forge, mark)
    if not found:
        return _made(forge, mark, text)
    _drop(forge, found[1:])
    if same(found[0].text, text):
        return Done.UNCHANGED
    try:
        forge.change_comment(found[0], text)
    except PlatformError as error:
        if not error.gone:
            raise
        return _made(forge, mark, text)
    return Done.UPDATED


def withdraw(forge: Forge, mark: str, text: str) -> Done:
    """Have no comment where there is none, and one of this text where there is one.

    :raises PlatformError: the platform cannot be asked, or refuses.
    """
    return keep(forge, mark, text) if _of(forge, mark) else Done.NOT_NEEDED


def _made(forge: Forge, mark: str, text: str) -> Done:
    made = forge.add_comment(text)
    found = _of(forge, mark)
    if found and found[0].id < made.id:
        # Another run was faster by a little; what this one has to say is the newer.
        forge.change_comment(found[0], text)
    _drop(forge, found[1:])
    return Done.MADE


def _of(forge: Forge, mark: str) -> Sequence[Comment]:
    return [one for one in forge.comments() if has_marker(one.text, mark)]


def _drop(forge: Forge, comments: Sequence[Comment]) -> None:
    for one in comments:
        try:
            forge.drop_comment(one)
        except PlatformError as error:
            if not error.gone:
                raise
