"""The numbers that README and manual quote, read from the results, so that they stay up to date.

`benchmarks/tables` holds small tables. `engine.csv` is computed here from
`solution_rate_trials.csv.gz` and from the Engine's fits in ../shared/benchmarks. The others contain
the output of a benchmark, and their first line names the command. A text quotes them in two ways:

    <!-- table: NAME -->                the next block is the table NAME of `TABLES`, word for word
    <!-- numbers: NAME NAME ... -->     the next block contains these entries of `numbers`

`tests/test_tables.py` compares each marked block with the tables. A block ends at an empty line.

    python benchmarks/tables.py         # compute engine.csv, and update the marked tables
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
FOLDER = HERE / "tables"
TRIALS = HERE / "solution_rate_trials.csv.gz"
ENGINE = ROOT.parent / "shared" / "benchmarks" / "engine_baseline.csv"
TEXTS = (ROOT / "README.md", HERE / "RESULTS.md", *sorted((ROOT / "docs").glob("*.md")))

MARKER = re.compile(r"^<!-- (table|numbers): ([^>]*?) -->\n(.*?)(?=\n\s*\n|\Z)", re.S | re.M)
MIN_ROWS = 500


# -- results ------------------------------------------------------------------------------------


@cache
def read_trials() -> pd.DataFrame:
    """The fits of this package, one per row."""
    return pd.read_csv(TRIALS)


@cache
def read(name: str) -> pd.DataFrame:
    """A table of `benchmarks/tables`."""
    return pd.read_csv(FOLDER / f"{name}.csv", comment="#")


def ours(decision: str, violation: str) -> pd.DataFrame:
    """Fits, solutions, violations and mean log-loss of solutions, per constraint and rows."""
    trials = read_trials()
    return _counts(trials[trials["decision"] == decision], "passed", violation, decision)


def engine_fits() -> pd.DataFrame:
    """The Engine's fits, without those from the tutorial's start, which always fail."""
    fits = pd.read_csv(ENGINE)
    return fits[~fits["config"].str.endswith("_zeroinit") & (fits["m"] >= MIN_ROWS)]


def computed_engine_table() -> pd.DataFrame:
    """The results of the Engine and of this package, per constraint and number of rows."""
    fits = engine_fits()
    soft = _counts(fits, "passed", "g_soft_true", "engine")
    hard = _counts(fits, "passed", "g_hard_true", "engine")
    both = soft.rename(columns={"engine_violations": "engine_soft_violations"}).join(
        hard[["engine_violations"]].rename(columns={"engine_violations": "engine_hard_violations"})
    )
    decided = ours("argmax", "g_hard").rename(
        columns={"argmax_violations": "argmax_hard_violations"}
    )
    drawn = ours("sample", "g_soft").rename(columns={"sample_violations": "sample_soft_violations"})
    return (
        both.join(decided, how="left")
        .join(drawn, how="left")
        .round(4)
        .astype(
            {name: "Int64" for frame in (decided, drawn) for name in frame if "loss" not in name}
        )
    )


def _counts(fits: pd.DataFrame, passed: str, violation: str, prefix: str) -> pd.DataFrame:
    point = ["config", "m"]
    found = fits[fits[passed].astype(bool)]
    solutions = found.groupby(point)
    columns = {
        "fits": fits.groupby(point).size(),
        "solutions": solutions.size(),
        "violations": solutions[violation].apply(lambda g: int((g > 0).sum())),
        "log_loss": solutions["log_loss"].mean(),
    }
    return pd.DataFrame(columns).add_prefix(f"{prefix}_")


# -- tables in words ----------------------------------------------------------------------------


def engine_decisions() -> Iterator[str]:
    """Models of the Engine whose decisions violate the constraint that it certified."""
    columns = "fits of the Engine", "models returned", "of these, decisions violate"
    yield from _head("constraint", "rows", *columns)
    for words, config, m in (
        ("GPA, rates of men and women within 0.05", "gpa_DP_0.05", 32_000),
        ("GPA, rates within 0.1", "gpa_DP_0.1", 32_000),
        ("GPA, disparate impact at least 0.8", "gpa_DI_0.8", 32_000),
        ("German credit, disparate impact at least 0.9", "german_DI_0.9", 1000),
    ):
        row = _engine(config, m)
        counts = (row[f"engine_{name}"] for name in ("fits", "solutions", "hard_violations"))
        yield _row(words, f"{m:,}", *(f"{n:,.0f}" for n in counts))


def engine_log_loss() -> Iterator[str]:
    """Log-loss of drawn decisions at 1,000 rows, for this package and the Engine."""
    binding = read("binding").set_index(["config", "m"]).loc[("gpa_DP_0.03", 1000)]
    configs = ("gpa_DP_0.1", "gpa_DP_0.05", None, "gpa_DI_0.8")
    limits = ("within 0.1", "within 0.05", "within 0.03", "disparate impact at least 0.8")
    yield from _head("GPA, 1,000 rows", *limits)
    for words, column in (("sklearn-seldonian", "sample"), ("Seldonian Engine", "engine")):
        rows = (_engine(config, 1000) if config else binding for config in configs)
        yield _row(words, *(f"{row[f'{column}_log_loss']:.3f}" for row in rows))


def binding() -> Iterator[str]:
    """The Engine and this package where the constraint on mean probabilities binds."""
    yield from _head(
        "constraint",
        "rows",
        "Engine: solved",
        "of its solutions, mean probabilities violate",
        "decisions violate",
        "log-loss",
        "sklearn-seldonian: solved",
        "mean probabilities violate",
        "log-loss",
    )
    for r in read("binding").itertuples():
        solutions = round(r.engine_rate * r.engine_fits)
        yield _row(
            _label(r.config),
            f"{r.m:,}",
            f"{r.engine_rate:.2f} of {r.engine_fits} fits",
            f"{r.engine_soft_violations} of {solutions}",
            f"{r.engine_hard_violations} of {solutions}",
            f"{r.engine_log_loss:.3f}",
            f"{r.sample_rate:.2f} of {r.sample_fits} fits",
            str(r.sample_soft_violations),
            f"{r.sample_log_loss:.3f}",
        )


def misuse() -> Iterator[str]:
    """Uses that break the promise, and how often a violating model is then certified."""
    yield from _head("what was done", "constraint", "truth", "certified at `delta=0.05`")
    for what, constraint, truth, certified in read("misuse").itertuples(index=False):
        text = constraint if constraint == "any" else f"`{constraint}`"
        yield _row(what, text, truth, certified)


def power() -> Iterator[str]:
    """The rows that tests of several rates and means need, compared with an asymptotic test."""
    yield from _head("constraint and truth", "rows", "asymptotic", "factor", "at most", "t bounds")
    for row in read("power").itertuples():
        factor = f"{row.factor:.2f}" if row.factor <= row.wanted else f"**{row.factor:.2f}**"
        case = row.case.replace("|", "\\|")
        ours, asymptotic, student = (f"{n:,}" for n in (row.rows, row.asymptotic_rows, row.t_rows))
        yield _row(case, ours, asymptotic, factor, f"{row.wanted:g}", student)


def study_argmax() -> Iterator[str]:
    """Share solved, accuracy and log-loss of all fits with decision="argmax"."""
    yield from _head("constraint", "solved", "accuracy", "log-loss")
    for label, rows in _study("argmax"):
        yield _row(
            label, _each(rows["rate"], 2), *(_each(rows[c], 3) for c in ("accuracy", "loss"))
        )


def study_sample() -> Iterator[str]:
    """Share solved and log-loss of all fits with decision="sample"."""
    yield from _head("constraint", "solved", "log-loss")
    for label, rows in _study("sample"):
        yield _row(label, _each(rows["rate"], 2), _each(rows["loss"], 3))


def _study(decision: str) -> Iterator[tuple[str, pd.DataFrame]]:
    trials = read_trials()
    trials = trials[trials["decision"] == decision]
    for config in STUDIED:
        own = trials[trials["config"] == config]
        found = own[own["passed"]].groupby("m")
        rows = pd.DataFrame(
            {
                "rate": own.groupby("m")["passed"].mean(),
                "accuracy": found["accuracy"].mean(),
                "loss": found["log_loss"].mean(),
            }
        )
        if decision == "sample" and config == "synthetic_DP_0.1":
            rows = rows.reindex([MIN_ROWS, *rows.index])
        sizes = " (500 / 1,000)" if config.startswith("german") else ""
        yield _label(config, "") + sizes, rows


STUDIED = (
    *(f"gpa_DP_{limit}" for limit in ("0.2", "0.1", "0.05", "0.03", "0.02")),
    *("gpa_DI_0.8", "gpa_EO_0.35", "gpa_EOpp_0.2", "gpa_PE_0.2", "synthetic_DP_0.1"),
    *("german_DI_0.8", "german_DI_0.9"),
)
POPULATIONS = {"gpa": "GPA", "german": "German", "synthetic": "synthetic"}


def _label(config: str, gpa: str = "GPA ") -> str:
    """The short name of a constraint: that of "gpa_DP_0.03" is "GPA DP .03"."""
    population, family, limit = config.split("_")
    name = gpa if population == "gpa" else POPULATIONS[population] + " "
    return f"{name}{family} {limit.lstrip('0')}"


def _each(values: pd.Series, digits: int) -> str:
    texts = ("–" if pd.isna(x) else f"{x:.{digits}f}" for x in values)
    return " / ".join(text.removeprefix("0") for text in texts)


def _engine(config: str, m: int) -> Any:
    return read("engine").set_index(["config", "m"]).loc[(config, m)]


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "binding": binding,
    "engine_decisions": engine_decisions,
    "engine_log_loss": engine_log_loss,
    "misuse": misuse,
    "power": power,
    "study_argmax": study_argmax,
    "study_sample": study_sample,
}


# -- numbers in sentences -----------------------------------------------------------------------


@cache
def numbers() -> dict[str, str]:
    """Each number that a sentence may quote, in the form in which it is written there."""
    found = {}
    for decision, violation in (("argmax", "g_hard"), ("sample", "g_soft")):
        counts = ours(decision, violation)
        for name in ("fits", "solutions", "violations"):
            found[f"{decision}_{name}"] = f"{counts[f'{decision}_{name}'].sum():,.0f}"
    binding, groups = read("binding"), read("groups").set_index("groups")
    found["binding_solutions"] = f"{(binding['engine_rate'] * binding['engine_fits']).sum():.0f}"
    found["binding_decisions"] = f"{binding['engine_hard_violations'].sum()}"
    for machine, ratio in read("mnist")[["machine", "ratio"]].itertuples(index=False):
        found[f"mnist_{machine}"] = f"{ratio:.2f}"
    for n, (kept, wrong) in groups.iterrows():
        found[f"groups_{n}"], found[f"independent_{n}"] = f"{kept:.3f}", f"{wrong:.3f}"
    factors = [f"{factor:.1f}" for factor in sorted(read("power")["factor"])]
    found["power_least"], *_, found["power_largest"] = factors
    found["power_cases"] = str(len(factors))
    resampler, selector, best, seeds = read("misuse").itertuples(index=False)
    found["resampler_certified"], found["resampler_truth"] = _first_numbers(resampler)
    found["selector_certified"], found["selector_truth"] = _first_numbers(selector)
    found["best_of_30"], found["ten_seeds"] = (row.certified.split()[0] for row in (best, seeds))
    return found


def _first_numbers(row: Any) -> tuple[str, str]:
    return row.certified.removesuffix(" runs"), re.findall(r"[\d.]+", row.truth)[0]


# -- texts --------------------------------------------------------------------------------------


def complaints(text: str) -> list[str]:
    """The differences between the marked blocks of a text and the tables, in words."""
    found = []
    for kind, names, block in MARKER.findall(text):
        if kind == "table":
            if names not in TABLES:
                found.append(f"there is no table {names!r}")
            elif block.rstrip().splitlines() != list(TABLES[names]()):
                found.append(f"table {names!r} is not that of the results")
            continue
        for name in names.split():
            number = numbers().get(name)
            if number is None:
                found.append(f"there is no number {name!r}")
            elif not re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d]|[.,]\d)", block):
                found.append(f"{name} is {number}, which the text does not say: {block[:60]!r}")
    return found


def with_tables(text: str) -> str:
    """The text, with its marked tables replaced by those of the results."""

    def table(marked: re.Match[str]) -> str:
        kind, name, _ = marked.groups()
        if kind != "table":
            return marked[0]
        return f"<!-- table: {name} -->\n" + "\n".join(TABLES[name]())

    return MARKER.sub(table, text)


def main() -> None:
    if ENGINE.exists():
        table = computed_engine_table().reset_index().to_csv(index=False)
        (FOLDER / "engine.csv").write_text("# Computed by: python benchmarks/tables.py\n" + table)
    else:
        print(f"engine.csv is left as it is: there is no {ENGINE}")
    for path in TEXTS:
        old = path.read_text()
        new = with_tables(old)
        if new != old:
            path.write_text(new)
            print(f"{path.relative_to(ROOT)}: tables updated")


if __name__ == "__main__":
    main()
