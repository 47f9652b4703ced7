"""How much CPU time do many constraints, many levels and many classes take?

* certify: 1,000 and 5,000 constraints on as many levels of a column, 10^5 rows;
* report: `to_html` of 20, 500 and 5,000 constraints;
* levels: one constraint on the lowest accuracy of 1,000 and 10,000 levels;
* classes: all confusion entries of 30, 40 and 200 classes, 2 x 10^5 rows;
* fit: 100, 1,000 and 5,000 constraints, one epoch of a linear module, 10^5 rows.

    python benchmarks/many.py [--quick]

It ends in assertions: a report of 500 constraints takes at most 5 seconds, and so does the lowest
accuracy of 10,000 levels; that of 1,000 levels takes at most one second.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_seldonian import SafetyCertificate, SeldonianClassifier, certify

N_ROWS, MAX_SECONDS = 100_000, 5.0
Result = TypeVar("Result")


class Decided(ClassifierMixin, BaseEstimator):
    """A classifier that returns its only feature."""

    def fit(self, X: NDArray[np.int64], y: NDArray[np.int64]) -> Decided:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: NDArray[np.int64]) -> NDArray[np.int64]:
        return X[:, 0]


def decided(
    n_classes: int, n_levels: int, n_rows: int
) -> tuple[Decided, NDArray[np.int64], NDArray[np.int64], pd.DataFrame]:
    """A model that is right about nine tenths of the rows; they have levels of equal size."""
    rng = np.random.default_rng(0)
    y = np.arange(n_rows) % n_classes
    wrong = rng.random(n_rows) < 0.1
    X = np.where(wrong, rng.integers(n_classes, size=n_rows), y)[:, None]
    levels = pd.DataFrame({"level": rng.permutation(np.arange(n_rows) % n_levels)})
    return Decided().fit(X, y), X, y, levels


def of_levels(n: int) -> list[str]:
    return [f"ACC | [level == {i}] >= 0.5" for i in range(n)]


def tested(texts: list[str], n_classes: int, n_levels: int, n_rows: int) -> SafetyCertificate:
    model, X, y, levels = decided(n_classes, n_levels, n_rows)
    return certify(model, X, y, texts, sensitive_features=levels)


def entries(n_classes: int) -> list[str]:
    """Each confusion entry but the diagonal, as a share of all rows."""
    pairs = ((i, j) for i in range(n_classes) for j in range(n_classes) if i != j)
    return [f"CM_[{i},{j}] <= 0.1" for i, j in pairs]


def fitted(n_constraints: int, n_rows: int) -> None:
    _, X, y, levels = decided(2, n_constraints, n_rows)
    model = SeldonianClassifier(
        constraints=of_levels(n_constraints), module__hidden=(), max_epochs=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X.astype(np.float32), y, sensitive_features=levels)


def timed(call: Callable[..., Result], *given: object) -> tuple[Result, float]:
    start = time.process_time()
    result = call(*given)
    return result, time.process_time() - start


def measured(part: int) -> Iterator[tuple[str, float]]:
    """What was done and its CPU seconds; every number is divided by `part`."""
    rows = N_ROWS // part
    with tempfile.TemporaryDirectory() as folder:
        for n in (20, 500, 5000):
            k = max(n // part, 2)
            certificate, seconds = timed(tested, of_levels(k), 2, k, rows)
            yield f"certify, {n} constraints", seconds
            yield (
                f"to_html, {n} constraints",
                timed(certificate.to_html, Path(folder) / "a.html")[1],
            )
    for n in (1000, 10_000):
        k = n // part
        yield f"certify, {n} levels", timed(tested, ["min(ACC, by=level) >= 0.5"], 2, k, 100 * k)[1]
    for n in (30, 40, 200):
        k = max(n // part, 2)
        yield f"certify, all entries of {n} classes", timed(tested, entries(k), k, 2, 2 * rows)[1]
    for n in (100, 1000, 5000):
        yield f"fit, {n} constraints", timed(fitted, max(n // part, 2), rows)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, no claims")
    quick, found = parser.parse_args().quick, dict[str, float]()
    for name, seconds in measured(10 if quick else 1):
        found[name] = seconds
        print(f"{name}: {seconds:.2f} s", flush=True)
    assert quick or found["to_html, 500 constraints"] <= MAX_SECONDS
    assert quick or found["certify, 10000 levels"] <= MAX_SECONDS
    assert quick or found["certify, 1000 levels"] <= 1.0


if __name__ == "__main__":
    main()
