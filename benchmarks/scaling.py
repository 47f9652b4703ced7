"""How do time and memory of `fit` grow with rows, constraints and groups?

One factor grows at a time, with synthetic rows of 20 float32 columns and one epoch of the default
network. Every point runs in its own process. The process samples its memory during `fit` (RssAnon,
without the pages of a memory map), and subtracts its memory before `fit`. More than a million rows
are read from a memory map.

* rows: 10^4 to 10^7, parity between two groups;
* constraints: 1 to 100, each on one level of the same column, or on a column of its own;
* groups: 2 to 200 levels, ``max(PR, by=level) - min(PR, by=level) <= 0.2``;
* a convolutional network with 1 and 20 constraints, alternating in one process.

    python benchmarks/scaling.py [--quick] [--results DIR]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from overhead import alternating
from scipy.special import ndtr
from sklearn.base import clone

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.modules import ConvNet

N_COLUMNS, CHUNK, MAX_IN_MEMORY = 20, 1_000_000, 1_000_000
MAX_EXPONENT, MAX_MEGABYTES, MAX_FOR_TWENTY = 1.1, 2000.0, 1.25


@dataclass(frozen=True)
class Point:
    """One fit: its numbers of rows, constraints and levels, and the kind of its constraints."""

    sweep: str
    rows: int = 100_000
    constraints: int = 1
    groups: int = 2

    def texts(self) -> list[str]:
        match self.sweep:
            case "groups":
                return ["max(PR, by=level) - min(PR, by=level) <= 0.2"]
            case "columns":
                one = "abs(PR | [g{0}] - PR | [not g{0}]) <= 0.08"
            case _:
                one = "abs(PR | [level == {0}] - PR | [level != {0}]) <= 0.08"
        return [one.format(i) for i in range(self.constraints)]

    @property
    def n_columns(self) -> int:
        return self.constraints if self.sweep == "columns" else 0


def points(quick: bool) -> Iterator[Point]:
    rows = (10_000, 30_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000)
    fewer = {"rows": 10_000} if quick else {}
    yield from (Point("rows", n) for n in rows)
    for k in (1, 20) if quick else (1, 5, 20, 100):
        yield Point("levels", constraints=k, groups=100, **fewer)
    for k in (1, 5) if quick else (1, 5, 20, 100):
        yield Point("columns", constraints=k, **fewer)
    for k in (2, 20) if quick else (2, 20, 200):
        yield Point("groups", groups=k, **fewer)


# -- data on disk --------------------------------------------------------------------------


def write_data(folder: Path, point: Point) -> None:
    """Inputs, labels and groups; labels and groups depend on the inputs."""
    rng = np.random.default_rng(0)
    X = open_memmap(folder / "X.npy", "w+", np.float32, (point.rows, N_COLUMNS))
    y = np.empty(point.rows, np.int8)
    groups = {"level": np.empty(point.rows, np.int16)}
    groups |= {f"g{i}": np.empty(point.rows, np.int8) for i in range(point.n_columns)}
    for start in range(0, point.rows, CHUNK):
        part = slice(start, min(start + CHUNK, point.rows))
        drawn = rng.standard_normal((part.stop - start, N_COLUMNS), dtype=np.float32)
        X[part] = drawn
        y[part] = drawn.sum(axis=1) + 2 * rng.standard_normal(len(drawn)) > 0
        for i, name in enumerate(groups):
            mixed = (drawn[:, i % N_COLUMNS] + rng.standard_normal(len(drawn))) / np.sqrt(2)
            levels = point.groups if name == "level" else 2
            groups[name][part] = np.minimum(ndtr(mixed) * levels, levels - 1)
    X.flush()
    np.save(folder / "y.npy", y)
    pd.DataFrame(groups).to_pickle(folder / "groups.pkl")


# -- one point, in its own process ---------------------------------------------------------


def own_megabytes() -> float:
    """The memory of this process that is not backed by files."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


@contextmanager
def peak_memory(every: float = 0.005) -> Iterator[Callable[[], float]]:
    """Sample memory in a thread; the yielded function returns its largest increase, in MB."""
    start, samples, over = own_megabytes(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(every):
            samples[0] = max(samples[0], own_megabytes() - start)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: samples[0]
    finally:
        over.set()
        watcher.join()


def run_point(folder: Path, point: Point, device: str) -> dict[str, Any]:
    in_memory = point.rows <= MAX_IN_MEMORY
    X = np.load(folder / "X.npy", mmap_mode=None if in_memory else "r")
    y, groups = np.load(folder / "y.npy"), pd.read_pickle(folder / "groups.pkl")
    model = SeldonianClassifier(
        constraints=point.texts(), max_epochs=1, device=device, random_state=0
    )
    clone(model).set_params(constraints="ACC >= 0.5").fit(X[:1000], y[:1000])  # libraries load
    with warnings.catch_warnings(), peak_memory() as peak:
        warnings.simplefilter("ignore")
        start = time.perf_counter()
        model.fit(X, y, sensitive_features=groups)
        fit_s = time.perf_counter() - start
    trained = float(model.history_.seconds.sum())
    return {"fit_s": fit_s, "epoch_s": trained, "rest_s": fit_s - trained, "peak_mb": peak()}


def in_own_process(point: Point, device: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder), point)
        asked = ["--point", json.dumps(asdict(point)), "--folder", folder, "--device", device]
        done = subprocess.run(
            [sys.executable, __file__, *asked], check=True, stdout=subprocess.PIPE, text=True
        )
    found = asdict(point) | json.loads(done.stdout)
    print(format_row(found), flush=True)
    return found


def format_row(found: dict[str, Any]) -> str:
    return "  ".join(
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in found.items()
    )


# -- convolutions --------------------------------------------------------------------------


def images(n_rows: int) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Ten classes of noisy images, which the network learns well, but only after many steps."""
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=n_rows)
    means = rng.standard_normal((10, 1, 28, 28), dtype=np.float32)
    noise = rng.standard_normal((n_rows, 1, 28, 28), dtype=np.float32)
    groups = pd.DataFrame({"level": rng.integers(20, size=n_rows)})
    return means[y] / 3 + noise, y, groups


def fit_images(X: np.ndarray, y: np.ndarray, groups: pd.DataFrame, n_constraints: int) -> None:
    texts = [f"ACC | [level == {i}] >= 0.8" for i in range(n_constraints)]
    model = SeldonianClassifier(
        ConvNet, texts, lr=1e-3, max_epochs=1, batch_size=150, device="cpu", random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, sensitive_features=groups)


def cost_of_twenty(quick: bool) -> float:
    """The seconds of a convolutional network's fit with 20 constraints over those with one."""
    data = images(1_500 if quick else 70_000)  # as many as MNIST has
    fit_images(*data, 1)  # libraries load on first use
    taken = alternating(
        {k: partial(fit_images, *data, k) for k in (1, 20)}, 1 + 4 * (not quick), "cpu"
    )
    return statistics.median(taken[20]) / statistics.median(taken[1])


# -- claims --------------------------------------------------------------------------------


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def check_claims(found: pd.DataFrame, twenty: float, quick: bool) -> None:
    rows = found[(found.sweep == "rows") & (found.rows >= (0 if quick else 100_000))]
    law = exponent(rows.rows, rows.fit_s)
    print(f"\nseconds grow with rows ** {law:.2f}")
    for sweep, name in (("levels", "constraints"), ("columns", "constraints"), ("groups",) * 2):
        part = found[found.sweep == sweep]
        print(f"seconds grow with {name} ** {exponent(part[name], part.fit_s):.2f} ({sweep})")
    print(f"20 constraints cost {twenty:.2f} times one on a convolutional network")
    if quick:
        return
    assert law <= MAX_EXPONENT, f"time grows with rows ** {law:.2f}"
    assert twenty <= MAX_FOR_TWENTY, f"20 constraints cost {twenty:.2f} times one"
    most = found.peak_mb.max()
    assert most <= MAX_MEGABYTES, f"{most:.0f} MB beyond the data"


def main(arguments: argparse.Namespace) -> None:
    chosen = [p for p in points(arguments.quick) if arguments.sweep in (None, p.sweep)]
    found = pd.DataFrame([in_own_process(point, arguments.device) for point in chosen])
    print("\n" + found.to_string(index=False, float_format="{:.2f}".format))
    if arguments.results:
        arguments.results.mkdir(parents=True, exist_ok=True)
        found.to_csv(arguments.results / "scaling.csv", index=False)
    if arguments.sweep is None:
        check_claims(found, cost_of_twenty(arguments.quick), arguments.quick)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows, no claims")
    parser.add_argument("--sweep", choices=("rows", "levels", "columns", "groups"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    asked = parsed()
    if asked.point:
        print(json.dumps(run_point(asked.folder, Point(**asked.point), asked.device)))
    else:
        main(asked)
