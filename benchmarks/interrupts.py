"""Can a fit that is interrupted leave a model that claims to be certified?

A fit is run many times. Each time, an exception is raised at another executed line of the package:
the first and the last time that each line is executed, or each time with ``--all``. The exceptions
are Ctrl-C, out of memory, an exit, and one that no library knows. After each interruption the
estimator must be unfitted, or have exactly the attributes of the finished fit. There are two other
cases. Ctrl-C in training ends in No Solution Found, without reading the safety rows. `load_params`
leaves the old model, or the one in the file.

    python benchmarks/interrupts.py [--all] [--every 1] [--scenarios ...]

With ``--every 7`` only every seventh of these points is used. For each kind of fit, it prints the
number of points at which it was interrupted, and what was left. It asserts that nothing else was
ever left.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import sklearn_seldonian
from sklearn_seldonian import SeldonianClassifier, SeldonianRegressor
from sklearn_seldonian.metrics import solution_found
from sklearn_seldonian.model_selection import SeldonianSearchCV

ROOT = str(Path(sklearn_seldonian.__file__).parent)
# An exception at the first executed line is one before the call, because no line of `fit` has run.
FIRST_LINE = 2


class Unknown(BaseException):
    """An exception that no library catches by name."""


EXCEPTIONS = (KeyboardInterrupt, MemoryError, SystemExit, Unknown)


class Lines:
    """Records the executed lines of the package, and raises `exception` at the given one."""

    def __init__(self, number: int = sys.maxsize, exception: type[BaseException] = Unknown):
        self.number, self.exception = number, exception
        self.seen: list[tuple[str, int]] = []

    def __enter__(self):
        sys.settrace(self._at_call)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _at_call(self, frame, event, argument):
        return self._at_line if frame.f_code.co_filename.startswith(ROOT) else None

    def _at_line(self, frame, event, argument):
        if event == "line":
            self.seen.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.seen) == self.number:
                raise self.exception
        return self._at_line


class Prepared(NamedTuple):
    """A call to interrupt, its estimator, and the results of `state` that it may leave."""

    call: Callable[[], Any]
    estimator: Any
    allowed: tuple[Any, ...]


def data(n_rows: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that are easy to separate."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], n_rows // 2)
    X = rng.normal(size=(n_rows, 2))
    X[:, 0] += 3.0 * (2 * y - 1)
    return X, y


X, Y = data()


def classifier(**params) -> SeldonianClassifier:
    defaults = {"module__hidden": (), "max_epochs": 2, "batch_size": 64, "random_state": 0}
    return SeldonianClassifier(constraints="ACC >= 0.6", **{**defaults, **params})


def regressor(**params) -> SeldonianRegressor:
    return SeldonianRegressor(
        constraints="MAE <= 0.9",
        prediction_range=(0, 1),
        target_range=(0, 1),
        **{"module__hidden": (), "max_epochs": 2, "random_state": 0, **params},
    )


def search(**params) -> SeldonianSearchCV:
    return SeldonianSearchCV(classifier(max_epochs=1), {"lr": [0.05]}, cv=2, **params)


def state(estimator: Any) -> Any:
    """The result of a fit: None, or the certificate and the model's predictions."""
    model = getattr(estimator, "best_estimator_", estimator)
    if not hasattr(model, "certificate_"):
        return None
    answers = model.predict(X).tolist() if model.solution_found_ else None
    return model.certificate_, answers


def fresh_fit(make: Callable[..., Any]) -> Prepared:
    estimator = make()
    return Prepared(lambda: estimator.fit(X, Y), estimator, (None, state(make().fit(X, Y))))


def refit(make: Callable[..., Any], **params) -> Prepared:
    """Fitting a certified estimator again, with other parameters and to fewer rows."""
    estimator = make().fit(X, Y)
    finished = make().set_params(**params).fit(X[20:], Y[20:])
    assert state(finished) != state(estimator)
    estimator.set_params(**params)
    return Prepared(lambda: estimator.fit(X[20:], Y[20:]), estimator, (None, state(finished)))


def loading() -> Prepared:
    """Loading another model's weights into one that was never fitted."""
    saved, path = classifier().fit(X, Y), Path(tempfile.mkdtemp()) / "weights"
    saved.save_params(path)
    estimator = clone(saved)
    return Prepared(lambda: estimator.load_params(path), estimator, (None, state(saved)))


def reloading() -> Prepared:
    """Loading weights into the model that wrote them, which leaves it unchanged."""
    prepared = loading()
    estimator = classifier().fit(X, Y)
    path = Path(tempfile.mkdtemp()) / "weights"
    estimator.save_params(path)
    return prepared._replace(
        call=lambda: estimator.load_params(path), estimator=estimator, allowed=(state(estimator),)
    )


def grid_search() -> Prepared:
    def make():
        return GridSearchCV(classifier(), {"lr": [0.05]}, cv=2, scoring=solution_found)

    return fresh_fit(make)


SCENARIOS: dict[str, Callable[[], Prepared]] = {
    "classifier": lambda: fresh_fit(classifier),
    "classifier, again": lambda: refit(classifier, lr=0.2),
    "regressor": lambda: fresh_fit(regressor),
    "regressor, again": lambda: refit(regressor, lr=0.2),
    "search": lambda: fresh_fit(search),
    "search, again": lambda: refit(search, parameters={"lr": [0.2]}),
    "holm, again": lambda: refit(search, test="holm", n_candidates=2),
    "load_params": loading,
    "load_params, again": reloading,
    "GridSearchCV": grid_search,
}


def lines_of(name: str) -> list[tuple[str, int]]:
    """The lines of the package that are executed in a scenario, in order."""
    with quiet():
        SCENARIOS[name]().call()  # the first call fills caches, whose lines are not executed later
        prepared = SCENARIOS[name]()
        with Lines() as lines:
            prepared.call()
    return lines.seen


def first_and_last(seen: list[tuple[str, int]]) -> list[int]:
    """The positions at which each line is executed first and last, counted from 1."""
    numbers = range(1, len(seen) + 1)
    last = dict(zip(seen, numbers, strict=True))
    first = dict(zip(reversed(seen), reversed(numbers), strict=True))
    return sorted({*first.values(), *last.values()})


def outcome(prepared: Prepared, line: int, exception: type[BaseException]) -> str:
    """What the estimator has after a call that was interrupted at an executed line.

    Raises
    ------
    AssertionError
        If the estimator has another state than the allowed ones, or if Ctrl-C was ignored and the
        model was tested.
    """
    came_out = False
    try:
        with Lines(line, exception):
            prepared.call()
    except exception:
        came_out = True
    left = state(prepared.estimator)
    if exception is KeyboardInterrupt and not came_out:
        assert left is not None, f"Ctrl-C at line {line} is swallowed"
        certificate, _ = left
        assert not certificate.tested, f"Ctrl-C at line {line} ends in a test"
        assert hasattr(prepared.estimator, "history_")
        return "no solution"
    assert left in prepared.allowed, f"{exception.__name__} at line {line} leaves {left}"
    return "unfitted" if left is None else "complete"


def outcomes(name: str, lines: Iterable[int]) -> Counter[str]:
    """Counts of the outcomes of a scenario that is interrupted at each of these executed lines."""
    found: Counter[str] = Counter()
    with quiet():
        for line in lines:
            exception = EXCEPTIONS[line % len(EXCEPTIONS)]
            try:
                found[outcome(SCENARIOS[name](), line, exception)] += 1
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error
    return found


class quiet(warnings.catch_warnings):
    """A context without the warnings of interrupted fits."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    total = 0
    for name in arguments.scenarios:
        seen = lines_of(name)
        numbers = range(1, len(seen) + 1) if arguments.all else first_and_last(seen)
        chosen = [n for n in numbers if n >= FIRST_LINE][:: arguments.every]
        found = outcomes(name, chosen)
        total += found.total()
        counts = ", ".join(f"{n} {kind}" for kind, n in sorted(found.items()))
        print(f"{name}: at {len(chosen)} of {len(seen)} executed lines; {counts}", flush=True)
    assert total
    print(f"{total} fits were interrupted, and none left a certificate of another fit.")


if __name__ == "__main__":
    main()
