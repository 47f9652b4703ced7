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
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from sklearn_seldonian.experiments._trial import Trial

__all__ = ["FIXED", "ResultsFolder", "load_results", "to_frame", "trial_of"]

# The columns of every table, before the constraints' values and the metrics.
FIXED = {
    "estimator": str,
    "sample_size": int,
    "trial": int,
    "solution_found": bool,
    "failure": bool,
    "seconds": float,
    "error": str,
}


def load_results(results):
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
    if not folder.shared.exists():
        raise FileNotFoundError(f"{str(results)!r} holds no results of run_experiment.")
    return to_frame(folder.rows(), list(folder.settings()["estimators"]))


def trial_of(row):
    """The trial that a row of the table is about."""
    return Trial(*(row[name] for name in Trial._fields))


def to_frame(rows, estimators):
    """A table of the trials: the `estimators` in the order given, then sizes, then trials."""
    rows = sorted(rows, key=lambda row: (estimators.index(row["estimator"]), *trial_of(row)[1:]))
    frame = pd.DataFrame(rows, columns=list(rows[0]) if rows else list(FIXED))
    return frame.astype({name: FIXED.get(name, float) for name in frame})


class ResultsFolder:
    """Where the trials of one experiment are kept.

    Parameters
    ----------
    path : path
    """

    def __init__(self, path):
        self.path = Path(path)
        self.trials = self.path / "trials"
        self.shared = self.path / "experiment.json"
        self.estimators = self.path / "estimators"

    def settings(self):
        """What the trials were run with."""
        shared, *own = (
            json.loads(path.read_text(encoding="utf-8"))
            for path in (self.shared, *self.estimators.glob("*.json"))
        )
        own.sort(key=lambda one: (one["position"], one["name"]))
        return {"shared": shared, "estimators": {one["name"]: one["settings"] for one in own}}

    def open(self, settings):
        """Make the folder, or check that its trials were run with the same `settings`.

        Parameters
        ----------
        settings : dict
            Texts by name under "shared"; under "estimators" for each of them texts by name of
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
            folder.mkdir(parents=True, exist_ok=True)
        _write_once(self.shared, json.dumps(settings["shared"], indent=1))
        for position, (name, own) in enumerate(settings["estimators"].items(), n_known):
            content = {"name": name, "position": position, "settings": own}
            _write_once(self.estimators / f"{_short(name)}.json", json.dumps(content, indent=1))
        self._compare(settings)  # now with what other processes were quicker to write

    def _compare(self, settings):
        """Hold `settings` against those of the folder; of how many estimators it has trials."""
        if not self.shared.exists():
            return 0
        known = self.settings()
        differences = list(_differences(known, settings))
        if differences:
            raise ValueError(
                f"The trials in {str(self.path)!r} were run with other settings: "
                f"{'; '.join(differences)}. Give another folder as results, or delete this one."
            )
        return len(known["estimators"])

    def rows(self, trials=None):
        """What `run_trial` returned, for those of the `trials` (None: all) that are here."""
        files = {path.name: path for path in self.trials.glob("*.csv")}
        wanted = files.keys() if trials is None else files.keys() & set(map(_file_name, trials))
        return [_read(files[name]) for name in wanted]

    def add(self, row):
        """Keep the row of one more trial."""
        text = io.StringIO()
        writer = csv.DictWriter(text, row)
        writer.writeheader()
        writer.writerow(row)
        _write(self.trials / _file_name(trial_of(row)), text.getvalue())


def _differences(known, now):
    yield from _changed(known["shared"], now["shared"], "")
    for name in known["estimators"].keys() & now["estimators"].keys():
        yield from _changed(known["estimators"][name], now["estimators"][name], f" of {name!r}")


def _changed(before, after, owner):
    for name in sorted(before.keys() | after.keys()):
        was, is_now = before.get(name, "not there"), after.get(name, "not there")
        if was != is_now:
            yield f"{name}{owner} was {was}, now it is {is_now}"


def _write(path, text):
    """Write a file that is there as a whole or not at all."""
    _draft(path, text).replace(path)


def _write_once(path, text):
    """As `_write`, unless the file is there: of several processes the first has its way."""
    draft = _draft(path, text)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        draft.unlink()
    except OSError:  # a file system without links
        draft.replace(path)
    else:
        draft.unlink()


def _draft(path, text):
    """A file with the text, beside where it is to go."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.draft")
    with draft.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    return draft


def _file_name(trial):
    return f"{trial.sample_size}-{trial.trial}-{_short(trial.estimator)}.csv"


def _short(name):
    """The name of an estimator as part of a file's; upper and lower case may be the same there."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{quote(name, safe='')[:60]}-{digest}"


def _read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    return {name: _TYPES.get(FIXED.get(name), float)(text) for name, text in row.items()}


_TYPES = {str: str, int: int, bool: "True".__eq__, float: float}
