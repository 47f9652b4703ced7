"""How do time and memory of `certify` grow with the rows of a Parquet folder?

The rows are synthetic, with 20 float32 columns, a label and two groups, and a million rows per
file. A logistic regression is tested for accuracy, parity and the largest gap of true positive
rates between five levels, in one pass over the folder. Every point runs in a process of its own.
The process samples the increase of its memory (RssAnon, without pages that are backed by files).

The first million rows are also tested in memory: both certificates must be equal.

    python benchmarks/streaming.py [--quick] [--rows N ...] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from scaling import exponent, peak_memory
from sklearn.linear_model import LogisticRegression

from sklearn_seldonian import certify

N_COLUMNS, FILE_ROWS = 20, 1_000_000
NAMES = [f"x{i}" for i in range(N_COLUMNS)]
GROUPS = ["sex", "region"]
CONSTRAINTS = [
    "ACC >= 0.7",
    'abs(PR | [sex == "F"] - PR | [sex == "M"]) <= 0.1',
    "max(TPR, by=region) - min(TPR, by=region) <= 0.1",
]
MAX_EXPONENT, MAX_MEGABYTES = 1.1, 2000.0


def rows(n_rows: int, seed: int) -> dict[str, np.ndarray]:
    """The columns of independent rows; a label depends on all features and on noise."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N_COLUMNS, n_rows), dtype=np.float32)
    label = X.sum(axis=0) + 2 * rng.standard_normal(n_rows, dtype=np.float32) > 0
    groups = {
        "sex": np.array(["F", "M"], dtype=object)[rng.integers(2, size=n_rows)],
        "region": np.array(list("ABCDE"), dtype=object)[rng.integers(5, size=n_rows)],
    }
    return {**dict(zip(NAMES, X, strict=True)), **groups, "label": label.astype(np.int8)}


def write_files(folder: Path, n_rows: int) -> None:
    """Write the files that do not exist yet, so that they have `n_rows` rows in total."""
    for i in range(-(-n_rows // FILE_ROWS)):
        path = folder / f"{i:04}.parquet"
        if not path.exists():
            table = pa.table(rows(min(FILE_ROWS, n_rows - i * FILE_ROWS), seed=i + 1))
            pq.write_table(table, path.with_suffix(".part"), compression="none")
            path.with_suffix(".part").rename(path)


def fitted() -> LogisticRegression:
    """A model that is fitted to other rows."""
    frame = pd.DataFrame(rows(20_000, seed=0))
    return LogisticRegression().fit(frame[NAMES], frame["label"])


def files(folder: Path, n_rows: int) -> ds.Dataset:
    paths = sorted(folder.glob("*.parquet"))[: -(-n_rows // FILE_ROWS)]
    return ds.dataset([str(path) for path in paths])


def run_point(folder: Path, n_rows: int) -> dict[str, Any]:
    model, dataset = fitted(), files(folder, n_rows)
    asked = {"y": "label", "constraints": CONSTRAINTS, "sensitive_features": GROUPS}
    certify(model, dataset.head(1000), **asked)  # libraries load
    with peak_memory() as peak:
        start, start_cpu = time.perf_counter(), time.process_time()
        certificate = certify(model, dataset, **asked)
        seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    assert certificate.n_safety == n_rows
    taken = {"seconds": seconds, "cpu_s": cpu, "peak_mb": peak()}
    return {"rows": n_rows, **taken, "passed": certificate.passed}


def check_equal(folder: Path, n_rows: int) -> None:
    """Compare the certificates of the first rows, read part by part and in memory."""
    model, dataset = fitted(), files(folder, n_rows)
    frame = dataset.to_table().to_pandas()
    options = {"constraints": CONSTRAINTS, "random_state": 0}
    streamed = certify(model, dataset, "label", sensitive_features=GROUPS, **options)
    whole = certify(
        model, frame[NAMES], frame["label"], sensitive_features=frame[GROUPS], **options
    )
    assert streamed == whole, "the certificates differ"
    print(f"the certificates of {n_rows:,} rows, read part by part and in memory, are equal")


def in_own_process(folder: Path, n_rows: int) -> dict[str, Any]:
    asked = [sys.executable, __file__, "--point", str(n_rows), "--folder", str(folder)]
    done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(found, flush=True)
    return found


def main(sizes: list[int], folder: Path, quick: bool) -> None:
    found = []
    for n_rows in sizes:
        write_files(folder, n_rows)
        found.append(in_own_process(folder, n_rows))
    check_equal(folder, min(sizes[0], FILE_ROWS))
    table = pd.DataFrame(found)
    print("\n" + table.to_string(index=False, float_format="{:.2f}".format))
    if quick:
        return
    if len(sizes) > 1:
        law = exponent(table.rows, table.seconds)
        print(f"seconds grow with rows ** {law:.2f}")
        assert law <= MAX_EXPONENT, f"time grows with rows ** {law:.2f}"
    most = table.peak_mb.max()
    assert most <= MAX_MEGABYTES, f"{most:.0f} MB"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows, no claims")
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path, help="of files to keep, for another run")
    parser.add_argument("--point", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    asked = parsed()
    if asked.point:
        print(json.dumps(run_point(asked.folder, asked.point)))
    else:
        place = asked.folder or Path(tempfile.mkdtemp())
        place.mkdir(exist_ok=True)
        try:
            main([20_000] if asked.quick else asked.rows, place, asked.quick)
        finally:
            if asked.folder is None:
                shutil.rmtree(place)
