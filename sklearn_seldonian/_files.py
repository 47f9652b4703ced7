"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Suffixes of files whose content is executed when they are read.
PICKLES = frozenset({".joblib", ".pickle", ".pkl"})


@contextmanager
def draft_of(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a draft file, which replaces `path` at the end.

    If writing fails, the file at `path` stays unchanged and the draft is removed. Links are
    followed and permissions are kept. A target that is not a regular file, such as a pipe, is
    written to directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    draft = target.with_name(f"{uuid.uuid4().hex}.draft")
    try:
        yield draft
        with draft.open("rb+") as stream:  # on disk before it replaces the target
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to a file in UTF-8, with unchanged line ends."""
    with draft_of(path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
