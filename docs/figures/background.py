"""The figures of the background pages, and those of README."""

from __future__ import annotations

import runpy
import tempfile
from collections.abc import Callable
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom

from figures._tables import read_table
from sklearn_seldonian import SeldonianClassifier, bounds
from sklearn_seldonian._palette import (
    BLUE,
    FAILED,
    GREY,
    INK,
    PASSED,
    SHADE,
    VERMILLION,
    count_rows,
    for_text,
    pyplot,
    style_of,
)
from sklearn_seldonian.bounds._capital import capital_after, running_moments, steps
from sklearn_seldonian.constraints import Jet

Floats = NDArray[np.float64]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DELTA = 0.05


def one_rate() -> Any:
    """Which counts Clopper and Pearson's test of one rate accepts."""
    n, limit = 200, 0.1
    counts = np.arange(0, 36)
    passes = np.array([bounds.rate_p_value(int(k), n, 1.0, limit) <= DELTA for k in counts])
    ax = _axes(width=6.4, height=3.0)
    ax.bar(counts, binom.pmf(counts, n, limit), color=np.where(passes, PASSED, "0.8"), width=0.8)
    most = int(counts[passes].max())
    share = binom.cdf(most, n, limit)
    ax.annotate(
        f"accepted: at most {most} errors\nprobability {share:.3f} if the rate is 0.1",
        xy=(most, binom.pmf(most, n, limit)),
        xytext=(0, 0.055),
        color=for_text(PASSED),
        arrowprops={"arrowstyle": "->", "color": PASSED},
    )
    ax.set(xlabel="errors among 200 safety rows", ylabel="probability")
    ax.set_title("The error rate is 0.1, which is the limit; delta is 0.05", fontsize=10)
    return ax.figure


def two_rates() -> Any:
    """Which counts of two groups two tests accept, and how often at the limit."""
    n, limit = 30, 0.2
    exact, asymptotic = _tables_passing(n, limit)
    _, (left, right) = pyplot().subplots(1, 2, figsize=(8.2, 3.9), layout="constrained")
    from matplotlib.colors import ListedColormap

    both = np.where(exact, 2, np.where(asymptotic, 1, 0))
    left.imshow(both.T, origin="lower", cmap=ListedColormap([SHADE, VERMILLION, BLUE]), vmax=2)
    left.plot([limit * n, n], [0, (1 - limit) * n], color=INK, linewidth=1, linestyle="--")
    left.set(xlabel="positive decisions in group M, of 30", ylabel="positive decisions in F, of 30")
    left.text(9.5, 27, "both tests accept", color="white", ha="center")
    left.text(18.5, 1.5, "neither accepts", color=INK, ha="left")
    left.annotate(
        "estimated gap = 0.2",
        xy=(17, 11),
        xytext=(19, 7),
        color=INK,
        fontsize=8,
        arrowprops={"arrowstyle": "->", "color": INK},
    )
    left.set_title("PR | [M] - PR | [F] <= 0.2", fontsize=10)
    lower = np.linspace(0.0, 1.0 - limit, 161)
    for accepted, name, style in ((exact, "exact test", 0), (asymptotic, "asymptotic test", 1)):
        wrong = [_probability(accepted, p + limit, p) for p in lower]
        look = {**style_of(style), "marker": ""}
        right.plot(lower, wrong, label=name, **look)
    right.axhline(DELTA, color=INK, linewidth=0.8)
    right.text(0.4, DELTA, "delta", ha="center", va="bottom", color=INK)
    right.set(xlabel="rate of F; that of M is higher by 0.2", ylabel="probability of acceptance")
    right.set_ylim(0.0, None)
    right.set_title("Where the gap of the rates is 0.2", fontsize=10)
    right.legend(frameon=False, loc="lower center")
    return _tidy(right).figure


def functions_of_rates() -> Any:
    """Why a box of two intervals is wider than a test of the product of two rates."""
    k, n = (80, 80), (100, 100)
    low = [bounds.binomial_lower(a, b, DELTA / 2) for a, b in zip(k, n, strict=True)]

    def minus_product(lower: Floats, upper: Floats) -> Any:
        return -(Jet.coordinate(lower, upper, 0) * Jet.coordinate(lower, upper, 1))

    splits = bounds.Splits(k, n, parents=(-1, -1), of_successes=(False, False))
    joint = -bounds.inverse_normal_test(splits, minus_product, DELTA).upper
    ax = _axes(width=5.6, height=4.0)
    rates = np.linspace(0.5, 1.0, 200)
    ax.fill_between([low[0], 1.0], low[1], 1.0, color=SHADE, zorder=0)
    ax.plot(0.8, 0.8, "o", color=INK)
    ax.text(0.81, 0.81, "estimate: 0.80 · 0.80 = 0.64")
    for value, name, style in (
        (low[0] * low[1], "worst corner of the box", 1),
        (joint, "inverse normal combination", 0),
    ):
        look = {**style_of(style), "marker": ""}
        ax.plot(rates, value / rates, label=f"{name}: at least {value:.3f}", **look)
    ax.plot(*low, "s", color=VERMILLION, markersize=5)
    ax.text(0.9, 0.965, "box: a bound each", color=INK, ha="center")
    ax.set(xlim=(0.6, 1.0), ylim=(0.6, 1.0), xlabel="TPR, 80 of 100", ylabel="TNR, 80 of 100")
    ax.figure.legend(frameon=False, loc="outside lower center", title="TPR * TNR")
    return ax.figure


def betting() -> Any:
    """The capital of bets against a limit, in samples that meet the limit and that violate it."""
    n, limit = 400, 0.3
    figure, axes = pyplot().subplots(1, 2, figsize=(8.2, 3.2), sharey=True, layout="constrained")
    rng = np.random.default_rng(0)
    for ax, mean, title in zip(
        axes,
        (0.25, 0.3),
        ("The mean is 0.25, below the limit of 0.3", "The mean is 0.3, at the limit"),
        strict=True,
    ):
        for _ in range(20):
            rows, capital = capital_path(rng.beta(4 * mean, 4 * (1 - mean), n), limit)
            shown = np.r_[0 : len(rows) : 3, -1]
            reached = capital.max() >= 1 / DELTA * (1 - 1e-6)
            color = PASSED if reached else GREY
            ax.plot(
                rows[shown],
                np.clip(capital[shown], 0.01, 60.0),
                color=color,
                linewidth=1.2 if reached else 0.7,
            )
        ax.axhline(1 / DELTA, color=INK, linewidth=0.8)
        ax.set(yscale="log", xlabel="rows looked at, of 400", title=title)
        _tidy(ax)
    axes[0].text(0, 1.1 / DELTA, "1 / delta: certified", va="bottom")
    axes[0].set(ylabel="capital (1 at the start)", ylim=(0.01, 60))
    return figure


def capital_path(values: Floats, limit: float) -> tuple[Floats, Floats]:
    """Rows seen, and the capital of bets that values in [0, 1] have a mean below the limit."""
    n = len(values)
    _, variances = running_moments(values)
    capital, path, seen = np.ones(1), [1.0], [0.0]
    for start, stop in steps(n):
        gains = limit - values[None, start:stop]
        worst, variance = 1.0 - limit, float(variances[start])
        capital = capital_after(capital, gains, worst, variance, n - start, n, DELTA)
        path.append(float(capital[0]))
        seen.append(float(stop))
    return np.array(seen), np.array(path)


def approximations() -> Any:
    """How often tests certify an error rate that is at its limit, by the number of rows."""
    limit = 0.05
    sizes = np.unique(np.geomspace(20, 3000, 60).astype(int))
    ax = _axes(width=6.4, height=3.2)
    for i, (name, upper) in enumerate(
        (("Clopper-Pearson (exact)", _exact_upper), ("Student's t (asymptotic)", _t_upper))
    ):
        wrong = [_wrongly_certified(int(n), limit, upper) for n in sizes]
        ax.plot(sizes, wrong, label=name, **{**style_of(i), "marker": ""})
    ax.axhline(DELTA, color=INK, linewidth=0.8)
    ax.text(20, DELTA, "delta", va="bottom")
    ax.set(xscale="log", xlabel="safety rows", ylabel="probability of acceptance")
    ax.set_title("The error rate is at its limit of 0.05", fontsize=10)
    ax.set_ylim(0.0, None)
    count_rows(ax)
    ax.legend(frameon=False)
    return ax.figure


def monitor() -> Any:
    """A stream whose rate rises, the bound that holds at all times, and the alarm."""
    limit, change, n = 0.2, 3000, 6000
    rng = np.random.default_rng(1)
    late = np.arange(n) >= change
    total = np.cumsum(rng.random(n) < np.where(late, 0.32, 0.18))
    seen = np.arange(100, n + 1, 50)
    lower = [
        bounds.time_uniform_lower(bounds.RateStream(int(total[m - 1]), int(m)), DELTA) for m in seen
    ]
    alarm = int(seen[np.argmax(np.array(lower) > limit)])
    ax = _axes(width=6.4, height=3.2)
    ax.axhspan(limit, 0.3, color=SHADE, zorder=0)
    ax.plot(seen, total[seen - 1] / seen, label="estimate", **{**style_of(2), "marker": ""})
    ax.plot(seen, lower, label="lower bound, valid at all times", **{**style_of(0), "marker": ""})
    ax.axvline(change, color=GREY, linestyle=":")
    ax.text(change - 60, 0.105, "the rate rises\nfrom 0.18 to 0.32", ha="right", color=INK)
    ax.axvline(alarm, color=FAILED, linewidth=1)
    ax.text(alarm + 60, 0.105, f"alarm\nat row {alarm:,}", color=for_text(FAILED))
    ax.text(40, limit + 0.002, "limit 0.2", va="bottom")
    ax.set(xlabel="rows of the stream", ylabel="PR", xlim=(0, n), ylim=(0.09, 0.3))
    count_rows(ax)
    ax.legend(frameon=False, loc="upper left")
    return ax.figure


def bounds_by_rows() -> Any:
    """How far the bound of each method is above the estimate, by the number of safety rows."""
    sizes = np.unique(np.geomspace(100, 20_000, 12).round(-1).astype(int))
    ax = _axes(width=6.6, height=4.4)
    for i, (name, width) in enumerate(WIDTHS.items()):
        ax.plot(
            sizes, [width(int(n)) for n in sizes], label=name, **{**style_of(i), "markersize": 4}
        )
    ax.set(xscale="log", yscale="log", xlabel="safety rows", ylabel="upper bound minus estimate")
    ax.set_yticks([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4], minor=False)
    ax.get_yaxis().set_major_formatter("{x:g}")
    ax.get_xaxis().set_major_formatter("{x:,.0f}")
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8)
    return ax.figure


def predicted_bound() -> Any:
    """How the predicted bound of one constraint moves in a fit, and which epoch is kept."""
    limit, model = 0.1, _small_fit()
    history, steps, result = model.history_, model.step_history_, model.certificate_.results[0]
    kept = model.net_.kept_epoch_
    figure, (upper, lower) = pyplot().subplots(
        2, 1, figsize=(7.0, 5.0), sharex=True, layout="constrained", height_ratios=(3, 2)
    )
    epochs = history["epoch"]
    upper.plot(
        steps["progress"],
        steps["predicted_bound_0"],
        label="predicted upper bound, at each update of the multiplier",
        **{**style_of(4), "marker": ""},
    )
    upper.plot(
        epochs,
        history["predicted_bound_0"],
        label="the same, adjusted at the end of the epoch",
        **{**style_of(0), "markersize": 3},
    )
    upper.plot(
        epochs,
        history["estimate_0"],
        label="estimate, adjusted",
        **{**style_of(2), "markersize": 3},
    )
    upper.plot(epochs.max() + 2, result.bound, "*", color=VERMILLION, markersize=11)
    note = {"xytext": (6, -42), "textcoords": "offset points", "ha": "right"}
    upper.annotate("bound of the safety test", (epochs.max() + 2, result.bound), **note)
    upper.axhspan(limit, 1.0, color=SHADE, zorder=0)
    upper.text(-0.8, 0.235, "infeasible: above 0.1")
    upper.set(ylabel="gap of the two groups", ylim=(0.0, 0.25))
    upper.legend(frameon=False, loc="upper right", fontsize=8)
    lower.plot(epochs, history["candidate_loss"], **{**style_of(3), "markersize": 3})
    lower.set(ylabel="loss", xlabel="epoch")
    for ax in (upper, lower):
        ax.axvline(kept, color=GREY, linestyle=":")
        _tidy(ax)
    lower.text(kept + 0.2, lower.get_ylim()[1], f"epoch {kept} is kept", color=INK, va="top")
    return figure


def engine() -> Any:
    """Whose models decide against the constraint, and the log-loss, by the number of rows."""
    table = read_table("engine.csv")
    _, (left, right) = pyplot().subplots(1, 2, figsize=(8.2, 3.9), layout="constrained")
    for i, (config, words) in enumerate(
        (
            ("DP_0.05", "rates within 0.05"),
            ("DP_0.1", "rates within 0.1"),
            ("DI_0.8", "disparate impact 0.8"),
        )
    ):
        own = table[table["config"] == f"gpa_{config}"]
        share = own["engine_hard_violations"] / own["engine_solutions"]
        left.plot(own["m"], share, label=f"Engine, {words}", **style_of(i + 1))
    own = table[table["config"].str.startswith("gpa")].groupby("m").sum()
    own = own[own["argmax_solutions"] > 0]
    share = own["argmax_hard_violations"] / own["argmax_solutions"]
    left.plot(own.index, share, label="sklearn-seldonian, all constraints", **style_of(0))
    left.set(ylabel="share of models", ylim=(-0.03, 1.03))
    left.set_title("Models whose decisions violate the constraint", fontsize=9)
    own = table[table["config"] == "gpa_DP_0.05"]
    for i, (column, words) in enumerate(
        (("sample_log_loss", "sklearn-seldonian"), ("engine_log_loss", "Engine"))
    ):
        right.plot(own["m"], own[column], label=words, **style_of(i))
    right.set(ylabel="log-loss")
    right.set_title("Log-loss, mean probabilities within 0.05", fontsize=9)
    for ax in (left, right):
        ax.set(xscale="log", xlabel="rows")
        ax.set_xticks([1000, 4000, 32000], ["1,000", "4,000", "32,000"])
        ax.minorticks_off()
        _tidy(ax)
    right.legend(frameon=False)
    handles, labels = left.get_legend_handles_labels()
    look = {"frameon": False, "ncols": 2, "title": "left panel"}
    left.figure.legend(handles, labels, loc="outside lower center", **look)
    return right.figure


def random_forest() -> Any:
    """The certificate of examples/random_forest.py, in the sizes of letters that users see."""
    with (
        tempfile.TemporaryDirectory() as folder,
        chdir(folder),
        redirect_stdout(None),
        pyplot().rc_context({"font.size": 10}),
    ):
        example = runpy.run_path(str(EXAMPLES / "random_forest.py"))
    return example["display"].figure_


FIGURES: dict[str, Callable[[], Any]] = {
    "approximations.svg": approximations,
    "betting.svg": betting,
    "bounds_by_rows.svg": bounds_by_rows,
    "engine.svg": engine,
    "functions_of_rates.svg": functions_of_rates,
    "monitor.svg": monitor,
    "one_rate.svg": one_rate,
    "predicted_bound.svg": predicted_bound,
    "random_forest.png": random_forest,
    "two_rates.svg": two_rates,
}


# -- numbers behind the figures --------------------------------------------------------------


def _tables_passing(n: int, limit: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each pair of counts of n rows, whether the exact and the score test accept it."""
    exact, score = np.zeros((2, n + 1, n + 1), dtype=np.bool_)
    for a in range(n + 1):
        for b in range(n + 1):
            counts = (a, b), (n, n), (1.0, -1.0), limit
            score[a, b] = bounds.score_p_value(*counts) <= DELTA
            # Where the score test is far from accepting, so is the exact one.
            near = bounds.score_p_value(*counts) <= 3 * DELTA
            exact[a, b] = near and bounds.two_rate_p_value(*counts, DELTA) <= DELTA
    return exact, score


def _probability(accepted: NDArray[np.bool_], p: float, q: float) -> float:
    n = len(accepted) - 1
    counts = np.arange(n + 1)
    return float(binom.pmf(counts, n, p) @ accepted @ binom.pmf(counts, n, q))


def _exact_upper(k: int, n: int) -> float:
    return bounds.rate_upper(k, n, 1.0, DELTA)


def _t_upper(k: int, n: int) -> float:
    return bounds.t_upper(k / n, k / n * (1 - k / n) * n / (n - 1), n, DELTA)


def _wrongly_certified(n: int, limit: float, upper: Callable[[int, int], float]) -> float:
    """The probability that a rate at its limit is certified."""
    likely = range(int(binom.ppf(0.6, n, limit)) + 1)
    return float(sum(binom.pmf(k, n, limit) for k in likely if upper(k, n) <= limit))


def _product_width(n: int) -> float:
    k = round(0.4 * n)
    splits = bounds.Splits((k, k), (n // 2, n // 2), parents=(-1, -1), of_successes=(False, False))

    def minus_product(lower: Floats, upper: Floats) -> Any:
        return -(Jet.coordinate(lower, upper, 0) * Jet.coordinate(lower, upper, 1))

    return float(bounds.inverse_normal_test(splits, minus_product, DELTA).upper + 0.64)


def _betting_width(n: int) -> float:
    rng = np.random.default_rng(n)
    widths = []
    for _ in range(10):
        values = rng.beta(2.0, 8.0, n)
        widths.append(bounds.betting_upper([values], [1.0], [(0.0, 1.0)], DELTA) - values.mean())
    return float(np.mean(widths))


WIDTHS: dict[str, Callable[[int], float]] = {
    "gap of two rates of 0.4, half of the rows each: exact test": lambda n: bounds.two_rate_upper(
        (round(0.2 * n), round(0.2 * n)), (n // 2, n // 2), (1.0, -1.0), DELTA
    ),
    "product of two rates of 0.8: inverse normal": _product_width,
    "one rate of 0.2: Clopper-Pearson": lambda n: (
        bounds.binomial_upper(round(n / 5), n, DELTA) - 0.2
    ),
    "mean 0.2 of values in [0, 1]: Chernoff-Hoeffding": lambda n: (
        bounds.bounded_mean_upper(0.2, n, 0.0, 1.0, DELTA) - 0.2
    ),
    "the same mean of beta(2, 8): betting": _betting_width,
}


def _small_fit() -> SeldonianClassifier:
    """A linear model on rows of two groups that differ, with a limit that binds."""
    rng = np.random.default_rng(0)
    male = rng.integers(0, 2, 6000)
    X = rng.normal(size=(6000, 5))
    X[:, 0] += 1.1 * (male - 0.5)
    y = rng.random(6000) < expit(X @ np.array([1.0, 0.7, -0.5, 0.3, 0.0]))
    model = SeldonianClassifier(
        constraints="abs(PR | [M] - PR | [F]) <= 0.1",
        decision="sample",
        module__hidden=(),
        max_epochs=30,
        random_state=0,
    )
    groups = pd.DataFrame({"M": male, "F": 1 - male})
    return model.fit(X, y.astype(int), sensitive_features=groups)


# -- looks -------------------------------------------------------------------------------------


def _axes(width: float, height: float) -> Any:
    _, ax = pyplot().subplots(figsize=(width, height), layout="constrained")
    return _tidy(ax)


def _tidy(ax: Any) -> Any:
    ax.spines[["top", "right"]].set_visible(False)
    return ax
