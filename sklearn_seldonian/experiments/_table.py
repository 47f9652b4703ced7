"""Trials as a table, and on disk: one small file per trial, together with the settings.

Files are written under another name and then moved, so that they are always complete. The name of
a file follows from its trial. A process that is killed therefore loses only the trials that were
running, and no trial is counted twice. Several processes can write to the same folder, and the
folder can be read while they run.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from sklearn_seldonian._files import write_whole
from sklearn_seldonian.experiments._trial import Row, Trial

# The columns of every table, before the constraints' values and the metrics.
FIXED: dict[str, type] = {
    "estimator": str,
    "sample_size": int,
    "trial": int,
    "solution_found": bool,
    "failure": bool,
    "seconds": float,
    "error": str,
}

# The fields of an estimator's file of settings.
OWN = {"name": str, "position": int, "settings": dict}


def load_results(results: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the trials that `run_experiment` has written so far.

    Parameters
    ----------
    results : path
        The folder of an experiment, which may be still running or may have been interrupted.

    Returns
    -------
    DataFrame
        The table of `run_experiment`, with all trials in the folder.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist or has no results.
    ValueError
        If a file in it is damaged, or has another trial than its name says.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn_seldonian.experiments import load_results, run_experiment
    >>> X, y = make_classification(random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = run_experiment(
    ...         {"random": DummyClassifier(strategy="uniform")}, X, y, "PR <= 0.6",
    ...         sample_sizes=[20, 50], n_trials=2, results=folder,
    ...     )
    ...     load_results(folder).equals(table)
    True
    """
    folder = ResultsFolder(results)
    if not folder.shared.is_file():
        raise FileNotFoundError(
            f"{str(results)!r} has no results of run_experiment, since it has no "
            "experiment.json. Give the folder that run_experiment wrote to."
        )
    folder.known()  # refuses files that are not of the experiment before they are read
    rows = folder.rows()
    return to_frame(rows, list(folder.settings()["estimators"]))


def trial_of(row: Row) -> Trial:
    """The trial of a row of the table."""
    return Trial(*(row[name] for name in Trial._fields))


def to_frame(rows: Sequence[Row], estimators: Sequence[str]) -> pd.DataFrame:
    """A table of the trials: the `estimators` in the order given, then sizes, then trials."""
    rows = sorted(rows, key=lambda row: (estimators.index(row["estimator"]), *trial_of(row)[1:]))
    frame = pd.DataFrame(rows, columns=list(rows[0]) if rows else list(FIXED))
    return frame.astype({name: FIXED.get(name, float) for name in map(str, frame)})


class ResultsFolder:
    """The folder with the trials of one experiment."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.trials = self.path / "trials"
        self.shared = self.path / "experiment.json"
        self.estimators = self.path / "estimators"

    def settings(self) -> dict[str, Any]:
        """The settings that the trials were run with."""
        own = [_read_settings(path, OWN) for path in self.estimators.glob("*.json")]
        own.sort(key=lambda one: (one["position"], one["name"]))
        return {
            "shared": _read_settings(self.shared, {}),
            "estimators": {one["name"]: one["settings"] for one in own},
        }

    def open(self, settings: Mapping[str, Any]) -> None:
        """Create the folder, or check that its trials were run with the same `settings`.

        Parameters
        ----------
        settings : dict
            Under "shared", texts by name. Under "estimators", for each estimator, texts by name of
            the parameter. Estimators that are new to the folder are added.

        Raises
        ------
        ValueError
            If settings differ from those of the folder's trials, or if the path is a file.
        """
        if self.path.is_file() or self.path.suffix in (".csv", ".parquet"):
            raise ValueError(
                f"results is the file {str(self.path)!r}, and it must be a folder, which gets one "
                "file per trial. To have one file, write the table that is returned: "
                "table.to_csv(path)."
            )
        n_known = self._compare(settings)
        for folder in (self.trials, self.estimators):
            if not folder.exists():
                folder.mkdir(parents=True, exist_ok=True)
        _write_once(self.shared, settings["shared"])
        for position, (name, own) in enumerate(settings["estimators"].items(), n_known):
            content = {"name": name, "position": position, "settings": own}
            _write_once(self.estimators / f"{_short(name)}.json", content)
        self._compare(settings)  # again, because other processes may have written theirs first

    def known(self) -> dict[str, Any] | None:
        """The settings of all trials in the folder; None if there are none yet.

        Raises
        ------
        ValueError
            If the settings of a trial are missing.
        """
        files = [path.name for path in self.trials.glob("*.csv")]  # written after their settings
        if not self.shared.exists():
            if files:
                raise ValueError(
                    f"{str(self.path)!r} has trials, but no {self.shared.name} with their "
                    "settings. Give another folder as results, or delete this one."
                )
            return None
        settings = self.settings()
        endings = tuple(f"-{_short(name)}.csv" for name in settings["estimators"])
        unknown = [file for file in files if not file.endswith(endings)]
        if unknown:
            raise ValueError(
                f"{str(self.trials / min(unknown))!r} has the name of no trial of an estimator "
                f"with settings in {str(self.estimators)!r}. Remove this file, or give another "
                "folder as results."
            )
        return settings

    def _compare(self, settings: Mapping[str, Any]) -> int:
        """Compare `settings` with those of the folder; return its number of estimators."""
        known = self.known()
        if known is None:
            return 0
        differences = "; ".join(_differences(known, settings))
        if differences:
            raise ValueError(
                f"The trials in {str(self.path)!r} were run with other settings: {differences}. "
                "Give another folder as results, or delete this one."
            )
        return len(known["estimators"])

    def rows(self, trials: Collection[Trial] | None = None) -> list[Row]:
        """The rows of those of the `trials` (None: all) that are in the folder."""
        files = {path.name: path for path in self.trials.glob("*.csv")}
        wanted = files.keys() if trials is None else files.keys() & set(map(_file_name, trials))
        rows = [_read(files[name]) for name in sorted(wanted)]
        for row in rows:
            if row.keys() != rows[0].keys():
                one, other = (_file_name(trial_of(each)) for each in (rows[0], row))
                raise ValueError(
                    f"The trials {one!r} and {other!r} in {str(self.trials)!r} have different "
                    "columns. Give another folder as results, or delete this one."
                )
        return rows

    def add(self, row: Row) -> None:
        """Write the row of one more trial."""
        write_whole(self.trials / _file_name(trial_of(row)), _as_text(row))


def _differences(known: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    common = known["estimators"].keys() & now["estimators"].keys()
    pairs = [("", known["shared"], now["shared"])]
    pairs += [(f" of {one!r}", known["estimators"][one], now["estimators"][one]) for one in common]
    for owner, before, after in pairs:
        for name in sorted(before.keys() | after.keys()):
            was, is_now = before.get(name, "missing"), after.get(name, "missing")
            if was != is_now:
                yield f"{name}{owner} was {was}, now it is {is_now}"


def _write_once(path: Path, content: Mapping[str, Any]) -> None:
    """Write a complete file, unless it exists: among several processes, the first one counts."""
    if path.exists():
        return
    draft = path.with_name(f"{uuid.uuid4().hex}.draft")
    write_whole(draft, json.dumps(content, indent=1))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _read_settings(path: Path, fields: Mapping[str, type]) -> dict[str, Any]:
    """The settings in a file. With `fields`, those of one estimator, which the file is named after.

    Raises
    ------
    ValueError
        If `run_experiment` did not write the file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        found = None
    is_whole = isinstance(found, dict) and all(
        isinstance(found.get(name), kind) for name, kind in fields.items()
    )
    if not is_whole or (fields and path.name != f"{_short(found['name'])}.json"):
        raise ValueError(
            f"{str(path)!r} is empty, incomplete, or not written by run_experiment, so the "
            "settings of the trials are unknown. Give another folder as results, or delete "
            "this one."
        )
    return dict(found)


def _file_name(trial: Trial) -> str:
    return f"{trial.sample_size}-{trial.trial}-{_short(trial.estimator)}.csv"


def _short(name: str) -> str:
    """An estimator's name for use in file names, where upper and lower case may be the same."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{quote(name, safe='')[:60]}-{digest}"


def _as_text(row: Row) -> str:
    """The row as CSV, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, row)
    writer.writeheader()
    writer.writerow(row)
    return text.getvalue()


def _read(path: Path) -> Row:
    """The row in a file.

    Raises
    ------
    ValueError
        If the file cannot be read, or does not have exactly one complete row of its trial.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        row = _row_of(text)
        if path.name != _file_name(trial_of(row)):
            name = _file_name(trial_of(row))
            raise ValueError(f"it has {trial_of(row)}, whose file is {name!r}")
    except (OSError, ValueError, csv.Error) as problem:
        raise ValueError(
            f"{str(path)!r} is not a trial as run_experiment writes it: {problem}. Delete this "
            "file, so that run_experiment runs the trial again."
        ) from problem
    return row


def _row_of(text: str) -> Row:
    """The row that is written as `text`."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    if len(lines) != 2:
        raise ValueError("it is empty, incomplete, or has more than one row")
    row: Row = {}
    for name, value in zip(*lines, strict=True):
        kind = FIXED.get(name, float)
        row[name] = value == "True" if kind is bool else kind(value)
    # A row that is incomplete, changed or of other types would be written differently.
    if list(row)[: len(FIXED)] != list(FIXED) or _as_text(row) != text:
        raise ValueError("it is incomplete, or its columns or values are not those of a trial")
    if row["failure"] and not row["solution_found"]:
        raise ValueError("it counts a failure, although no solution was found")
    return row
