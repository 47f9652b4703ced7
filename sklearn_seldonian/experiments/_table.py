"""Trials as a table, and on disk: one small file a trial, beside the settings they were run with.

A file appears whole or not at all (it is written under another name and moved into place), and
its name follows from the trial that it holds. So a process that is killed loses only the trials
under way, nothing is ever counted twice, several processes may share a folder, and whoever reads
meanwhile reads whole trials.
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
        The folder, also of an experiment that is still running or was killed.

    Returns
    -------
    DataFrame
        As `run_experiment` returns it, with all trials of the folder.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or it holds no results.
    ValueError
        If a file in it is damaged, or not of the trial that it is named after.

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
            f"{str(results)!r} holds no results of run_experiment: it has no experiment.json."
        )
    folder.known()  # stray files are named before they are read
    rows = folder.rows()
    return to_frame(rows, list(folder.settings()["estimators"]))


def trial_of(row: Row) -> Trial:
    """The trial that a row of the table is about."""
    return Trial(*(row[name] for name in Trial._fields))


def to_frame(rows: Sequence[Row], estimators: Sequence[str]) -> pd.DataFrame:
    """A table of the trials: the `estimators` in the order given, then sizes, then trials."""
    rows = sorted(rows, key=lambda row: (estimators.index(row["estimator"]), *trial_of(row)[1:]))
    frame = pd.DataFrame(rows, columns=list(rows[0]) if rows else list(FIXED))
    return frame.astype({name: FIXED.get(name, float) for name in map(str, frame)})


class ResultsFolder:
    """Where the trials of one experiment are kept."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.trials = self.path / "trials"
        self.shared = self.path / "experiment.json"
        self.estimators = self.path / "estimators"

    def settings(self) -> dict[str, Any]:
        """What the trials were run with."""
        own = [_read_settings(path, OWN) for path in self.estimators.glob("*.json")]
        own.sort(key=lambda one: (one["position"], one["name"]))
        return {
            "shared": _read_settings(self.shared, {}),
            "estimators": {one["name"]: one["settings"] for one in own},
        }

    def open(self, settings: Mapping[str, Any]) -> None:
        """Make the folder, or check that its trials were run with the same `settings`.

        Parameters
        ----------
        settings : dict
            Texts by name under "shared". Under "estimators", for each of them, texts by name of
            the parameter. Estimators that are new to the folder are added.

        Raises
        ------
        ValueError
            If anything differs from what the folder's trials were run with, or there is a file.
        """
        if self.path.is_file() or self.path.suffix in (".csv", ".parquet"):
            raise ValueError(
                f"results names a folder, with a file for each trial, so that none is lost; got "
                f"the file {str(self.path)!r}. For one file, write the table that is returned: "
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
        self._compare(settings)  # now with what other processes were quicker to write

    def known(self) -> dict[str, Any] | None:
        """The settings of all trials that are here; None where there are none yet.

        Raises
        ------
        ValueError
            If those of a trial are missing.
        """
        files = [path.name for path in self.trials.glob("*.csv")]  # written after their settings
        if not self.shared.exists():
            if files:
                raise ValueError(
                    f"{str(self.path)!r} holds trials without {self.shared.name}, so with which "
                    "settings they were run is not known. Give another folder as results, or "
                    "delete this one."
                )
            return None
        settings = self.settings()
        endings = tuple(f"-{_short(name)}.csv" for name in settings["estimators"])
        unknown = [file for file in files if not file.endswith(endings)]
        if unknown:
            raise ValueError(
                f"{str(self.trials / min(unknown))!r} is not named after a trial of an estimator "
                f"whose settings are in {str(self.estimators)!r}. Remove this file, or give "
                "another folder as results."
            )
        return settings

    def _compare(self, settings: Mapping[str, Any]) -> int:
        """Hold `settings` against those of the folder; of how many estimators it has trials."""
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
        """What `run_trial` returned, for those of the `trials` (None: all) that are here."""
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
        """Keep the row of one more trial."""
        write_whole(self.trials / _file_name(trial_of(row)), _as_text(row))


def _differences(known: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    common = known["estimators"].keys() & now["estimators"].keys()
    pairs = [("", known["shared"], now["shared"])]
    pairs += [(f" of {one!r}", known["estimators"][one], now["estimators"][one]) for one in common]
    for owner, before, after in pairs:
        for name in sorted(before.keys() | after.keys()):
            was, is_now = before.get(name, "not there"), after.get(name, "not there")
            if was != is_now:
                yield f"{name}{owner} was {was}, now it is {is_now}"


def _write_once(path: Path, content: Mapping[str, Any]) -> None:
    """Write a whole file unless it is there: of several processes the first has its way."""
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
    """The object in a file of settings; with `fields`, one estimator's, which names the file.

    Raises
    ------
    ValueError
        If it is not as `run_experiment` writes it.
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
            f"{str(path)!r} is empty, cut off, or not as run_experiment writes it, so with which "
            "settings trials were run is not known. Give another folder as results, or delete "
            "this one."
        )
    return dict(found)


def _file_name(trial: Trial) -> str:
    return f"{trial.sample_size}-{trial.trial}-{_short(trial.estimator)}.csv"


def _short(name: str) -> str:
    """The name of an estimator as part of a file's; upper and lower case may be the same there."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{quote(name, safe='')[:60]}-{digest}"


def _as_text(row: Row) -> str:
    """A header and one line."""
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
        If the file cannot be read, or does not hold one whole row of its trial.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        row = _row_of(text)
        if path.name != _file_name(trial_of(row)):
            name = _file_name(trial_of(row))
            raise ValueError(f"it holds {trial_of(row)}, whose file is {name!r}")
    except (OSError, ValueError, csv.Error) as problem:
        raise ValueError(
            f"{str(path)!r} is not a trial as run_experiment writes it: {problem}. Delete this "
            "file, and run_experiment runs the trial again."
        ) from problem
    return row


def _row_of(text: str) -> Row:
    """The row that is written as `text`."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    if len(lines) != 2:
        raise ValueError("it is empty, cut off, or has more than one row")
    row: Row = {}
    for name, value in zip(*lines, strict=True):
        kind = FIXED.get(name, float)
        row[name] = value == "True" if kind is bool else kind(value)
    # What is cut off, changed or of another type is written otherwise.
    if list(row)[: len(FIXED)] != list(FIXED) or _as_text(row) != text:
        raise ValueError("it is cut off, or its columns or values are not those of a trial")
    if row["failure"] and not row["solution_found"]:
        raise ValueError("it counts a failure where no solution was found")
    return row
