"""How much longer does `fit` take than a bare torch loop, on a network small enough to show it?

A 2x64 MLP is trained on 50,000 rows of 20 float32 columns, batch 128, for 20 epochs (the default of
`fit`), with 0, 1, 5 and 20 constraints. Each constraint is demographic parity over a column of its
own. The unconstrained model violates it, so that its multiplier is active. The bare loop has its
data on the device, fused Adam, one permutation per epoch and batches by `index_select`. With
constraints, half of the rows are candidate rows. The bare loop then trains on half of the rows too,
and makes one pass over the others. Runs alternate in one process. The results are ratios of
medians. `rest_s` is the part of a fit outside its epochs. Nearly all of it is the safety test,
whose cost does not depend on the number of epochs.

    python benchmarks/overhead.py [--quick] [--device cuda] [--results DIR]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from sklearn_seldonian.modules import MLP

# By number of constraints, the largest time of a fit, as a multiple of the bare loop's.
MAX_RATIOS = {0: 1.25, 1: 1.5, 5: 1.6, 20: 1.6}
N_COLUMNS, BATCH_SIZE, EVAL_BATCH_SIZE, LR = 20, 128, 1024, 0.01


class Data(NamedTuple):
    """Rows, labels, and for each column of X a group that is correlated with it."""

    X: np.ndarray
    y: np.ndarray
    groups: pd.DataFrame


def make_data(n_rows: int, seed: int = 0) -> Data:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, N_COLUMNS), dtype=np.float32)
    y = X.sum(axis=1) + 2 * rng.standard_normal(n_rows) > 0
    groups = (X + rng.standard_normal(X.shape, dtype=np.float32) > 0).astype(np.int64)
    names = [f"g{i}" for i in range(N_COLUMNS)]
    return Data(X, y.astype(np.int64), pd.DataFrame(groups, columns=names))


def parities(n_constraints: int) -> list[str]:
    """Limits on the gaps; those of an unconstrained model are about 0.1."""
    return [f"abs(PR | [g{i}] - PR | [not g{i}]) <= 0.08" for i in range(n_constraints)]


# -- timed functions -----------------------------------------------------------------------


def bare_loop(data: Data, *, halved: bool, epochs: int, device: str) -> None:
    """Train on all rows, or train on a random half and predict the other half."""
    X, y = torch.from_numpy(data.X).to(device), torch.from_numpy(data.y).to(device)
    order = torch.randperm(len(y)).to(device)
    trained, others = order.tensor_split([len(y) // 2]) if halved else (order, order[:0])
    module = MLP(N_COLUMNS, 2).to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=True)
    for _ in range(epochs):
        shuffled = trained[torch.randperm(len(trained)).to(device)]
        for batch in shuffled.split(BATCH_SIZE):
            optimizer.zero_grad()
            outputs = module(X.index_select(0, batch))
            nn.functional.cross_entropy(outputs, y.index_select(0, batch)).backward()
            optimizer.step()
    with torch.no_grad():
        for batch in others.split(EVAL_BATCH_SIZE):
            module(X.index_select(0, batch)).argmax(dim=1)


def constrained_fit(data: Data, *, n_constraints: int, epochs: int, device: str) -> float:
    """Fit, and return the seconds that the epochs took."""
    model = SeldonianClassifier(
        MLP,
        constraints=parities(n_constraints),
        lr=LR,
        max_epochs=epochs,
        batch_size=BATCH_SIZE,
        eval_batch_size=EVAL_BATCH_SIZE,
        device=device,
        random_state=0,
    ).fit(data.X, data.y, sensitive_features=data.groups)
    if n_constraints:
        multipliers = model.history_.filter(regex=r"^multiplier_\d+$").max()
        assert (multipliers > 0).all(), "a constraint that costs nothing measures nothing"
    return float(model.history_.seconds.sum())


# -- timing --------------------------------------------------------------------------------


def seconds(run: Callable[[], object], device: str) -> float:
    synchronise(device)
    start = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def alternating(
    runs: Mapping[Any, Callable[[], object]], repeats: int, device: str
) -> dict[Any, list[float]]:
    """Seconds of each run, in alternating order, so that drift affects all runs equally."""
    taken: dict[Any, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats):
        for name in list(runs)[:: 1 if repeat % 2 == 0 else -1]:
            taken[name].append(seconds(runs[name], device))
    return taken


def measure(data: Data, numbers: Sequence[int], arguments: argparse.Namespace) -> pd.DataFrame:
    shared = {"epochs": arguments.epochs, "device": arguments.device}
    epoch_s: dict[int, list[float]] = {k: [] for k in numbers}
    runs: dict[Any, Callable[[], object]] = {
        f"bare, halved={halved}": partial(bare_loop, data, halved=halved, **shared)
        for halved in (False, True)
    }
    for k in numbers:
        fit = partial(constrained_fit, data, n_constraints=k, **shared)
        runs[k] = lambda k=k, fit=fit: epoch_s[k].append(fit())
    alternating(runs, 1, arguments.device)  # libraries load on first use
    taken = alternating(runs, arguments.repeats, arguments.device)
    rows = []
    for k in numbers:
        bare, fit_s = (statistics.median(taken[n]) for n in (f"bare, halved={k > 0}", k))
        rest_s = fit_s - statistics.median(epoch_s[k][1:])
        row = {"constraints": k, "bare_s": bare, "fit_s": fit_s, "rest_s": rest_s}
        rows.append(row | {"ratio": fit_s / bare, "most": MAX_RATIOS[k]})
    return pd.DataFrame(rows)


def main(arguments: argparse.Namespace) -> None:
    torch.manual_seed(0)
    warnings.simplefilter("ignore", NoSolutionFoundWarning)  # the time is the same
    found = measure(make_data(arguments.rows), tuple(MAX_RATIOS), arguments)
    print(found.to_string(index=False, float_format="{:.3f}".format))
    if arguments.results:
        arguments.results.mkdir(parents=True, exist_ok=True)
        found.to_csv(arguments.results / f"overhead_{arguments.device}.csv", index=False)
    missed = found[found.ratio > found.most]
    assert arguments.quick or missed.empty, f"more than the bare loop allows:\n{missed}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    parser.add_argument("--quick", action="store_true", help="few rows, no claims")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rows, arguments.epochs, arguments.repeats = 4_000, 2, 1
    return arguments


if __name__ == "__main__":
    main(parsed())
