"""How good is the best rule that passes the safety test, and the best one found on candidate rows?

For parity constraints, this searches the linear rules ``x @ theta > t`` that pass the test with
probability `power` (`_frontier.py`), for the highest accuracy and for the lowest log-loss of
probabilities that agree with the decisions. The population is known in one search. In the other,
the gap between the groups is known from the candidate rows alone, as in `fit`. Compare the results
with those of `solution_rate.py`.

    python benchmarks/frontier.py [--power 0.95] [--sizes 1000 4000 32000] [--results DIR]

It asserts that the search with a known population finds at least the accuracy of the best
thresholds of the constrained optimum, which were found by another method: .613, .643, .647 and
.648 for GPA under parity .1 at m = 1,000, 2,000, 4,000 and 16,000 and power .9.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from _frontier import best_rule
from _population import CONFIGS

NAMES = ("gpa_DP_0.1", "gpa_DP_0.05", "gpa_DP_0.03", "gpa_DP_0.02", "synthetic_DP_0.1")
KNOWN = {1000: 0.613, 2000: 0.643, 4000: 0.647, 16000: 0.648}


def point(name: str, m: int, power: float, known: bool) -> dict[str, object]:
    accurate, likely = (
        best_rule(CONFIGS[name], m, power, known=known, goal=goal)
        for goal in ("accuracy", "log-loss")
    )
    row = {"constraint": name, "m": m, "gap known from": "population" if known else "candidates"}
    row |= {"accuracy": accurate.accuracy, "positive": accurate.positive}
    return row | {"its log-loss": accurate.log_loss, "least log-loss": likely.log_loss}


def main(options: argparse.Namespace) -> None:
    cases = [(n, m, k) for n in options.constraints for m in options.sizes for k in (True, False)]
    found = pd.DataFrame([point(name, m, options.power, known) for name, m, known in cases])
    print(found.round(4).to_string(index=False))
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        found.to_csv(options.results / "frontier.csv", index=False)
    for m, accuracy in KNOWN.items():
        rule = best_rule(CONFIGS["gpa_DP_0.1"], m, 0.9, known=True)
        assert rule.accuracy >= accuracy - 0.002, f"m = {m}: {rule}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--power", type=float, default=0.95)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000, 32000])
    parser.add_argument("--constraints", nargs="+", default=list(NAMES))
    parser.add_argument("--results", type=Path, help="folder for a CSV file")
    main(parser.parse_args())
