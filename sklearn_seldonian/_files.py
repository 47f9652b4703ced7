"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# How files end that run what they hold when they are read.
PICKLES = frozenset({".joblib", ".pickle", ".pkl"})


@contextmanager
def draft_of(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a file to write to, beside `path`, whose place it takes at the end.

    Where writing fails, what was at `path` stays as it was, and the draft is removed. A link is
    followed, permissions are kept, and what is no regular file, as a pipe, is written to directly.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        yield target
        return
    draft = target.with_name(f"{uuid.uuid4().hex}.draft")
    try:
        yield draft
        with draft.open("rb+") as stream:  # on disk before it takes the other's place
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to a file, in UTF-8 and with its line ends as they are."""
    with draft_of(path) as draft, draft.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
