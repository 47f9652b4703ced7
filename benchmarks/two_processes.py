"""One process or two: how often each finds a solution, how accurate it is, and how long it takes.

    python benchmarks/two_processes.py [--seeds 20] [--processes 2]

On digits ("ACC >= 0.85") and GPA ("abs(PR | [M] - PR | [F]) <= 0.2"), each seed once in one process
and once in several on CPUs, started as `torchrun` does. It ends in an assertion: the solution rates
differ by no more than two seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings

import numpy as np
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.datasets import load_gpa

GAP = "abs(PR | [M] - PR | [F]) <= 0.2"


def fitted(name: str, seed: int) -> SeldonianClassifier:
    settings = {"distributed": True, "device": "cpu", "random_state": seed}
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        model = SeldonianClassifier(constraints="ACC >= 0.85", **settings)
        return model.fit(X.astype(np.float32) / 16, y)
    gpa = load_gpa()
    model = SeldonianClassifier(constraints=GAP, preprocessor=StandardScaler(), **settings)
    return model.fit(gpa.data, gpa.target, gpa.sensitive_features)


def measured(seeds: int) -> dict[str, list[tuple[bool, float, float]]]:
    """For each data set and seed: whether there is a solution, its estimate, seconds."""
    results: dict[str, list[tuple[bool, float, float]]] = {}
    for name in ("digits", "gpa"):
        results[name] = []
        for seed in range(seeds):
            start = time.perf_counter()
            model = fitted(name, seed)
            seconds = time.perf_counter() - start
            estimate = model.certificate_.results[0].estimate
            results[name].append((model.solution_found_, estimate, seconds))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if "RANK" in os.environ:
        results = measured(arguments.seeds)
        if os.environ["RANK"] == "0":
            print(json.dumps(results))
        return
    alone = measured(arguments.seeds)
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(arguments.processes)]
    command = [sys.executable, *launch, __file__, "--seeds", str(arguments.seeds)]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    together = json.loads(printed.splitlines()[-1])
    print("data    processes  solutions  mean estimate  seconds per fit")
    for name, of_one in alone.items():
        rates = []
        for n, trials in ((1, of_one), (arguments.processes, together[name])):
            solved, estimates, seconds = map(np.array, zip(*trials, strict=True))
            rates.append(solved.sum())
            print(
                f"{name:<7} {n:>9}  {solved.sum():>3} of {len(solved):<3} "
                f"{estimates.mean():>13.4f}  {seconds[1:].mean():>13.2f}"
            )
        assert abs(int(rates[0]) - int(rates[1])) <= 2, name


if __name__ == "__main__":
    main()
