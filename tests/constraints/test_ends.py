"""The number of ends that an upper end needs, against all sets of ends."""

import itertools

import numpy as np
import pytest

from sklearn_seldonian.constraints import Schema, bind, estimate, interval, n_ends, parse
from sklearn_seldonian.constraints._interval import Interval

SCHEMA = Schema((0, 1), 1, {"g": ("a", "b", "c")})
EXPRESSIONS = {
    "PR": 1,
    "-PR": 1,
    "PR - TPR": 2,
    "2 * PR - TPR / 3 + 0.1": 2,
    "0.5 - 3 * (PR - TPR)": 2,
    "(PR - TPR) / -2": 2,
    "0 * PR + TPR": 2,
    "(e - e) * PR": 2,  # the sign of a rounded zero is not certain
    "2 / (PR + 1)": 2,
    "PR * TPR": 4,
    "PR / TPR": 4,
    "1 / (PR + 1)": 2,
    "PR ** 2": 2,
    "sqrt(PR) + exp(TPR) - log(FPR + 1)": 3,
    "max(PR, TPR, FPR)": 1,
    "min(PR, TPR, FPR)": 3,
    "abs(PR - TPR)": 2,
    "-abs(PR - TPR)": 4,
    "max(PR, TPR, FPR) - min(PR, TPR, FPR)": 2,
    "max(PR, TPR) - 0.8 * min(PR, TPR)": 2,
    "0.8 * max(PR, TPR) - min(PR, TPR)": 2,
    "min(PR, TPR) - max(PR, TPR)": 4,
    "max(PR * TPR, FPR)": 4,
    "max(PR - TPR, TPR - PR) + max(FPR, PPV)": 3,
    "max(abs(PR - 0.3), abs(TPR - 0.3))": 1,
    "max(PR, by=g) - min(PR, by=g)": 2,
    "mean(PR, by=g)": 3,
    "max(PR, 0.2) - min(0.1, TPR)": 2,
}


def expression(text):
    """The expression before it is split."""
    return bind(parse(f"{text} <= 0"), SCHEMA).g


def means_in(text):
    return bind(parse(f"{text} <= 0"), SCHEMA).estimands


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS.items())
def test_numbers_of_ends(text, expected):
    assert n_ends(expression(text)) == expected


def suffices(node, truth, chosen):
    """Whether the upper end is at least the truth if the `chosen` ends hold and no other does."""
    return all(
        interval(node, wrong_but(truth, chosen, error)).high >= estimate(node, truth) - 1e-12
        for error in (0.02, 0.2, 1.0)
    )


def wrong_but(truth, chosen, error):
    """Intervals whose `chosen` ends are the true values, and whose others miss them."""
    box = {}
    for mean, value in truth.items():
        low, high = ((mean, end) in chosen for end in (0, 1))
        ends = value + (not low) * error, value - (not high) * error
        box[mean] = Interval(min(ends[0], 0.99), max(ends[1], 0.01))
    return box


SMALL = [text for text in EXPRESSIONS if len(means_in(text)) <= 3]


@pytest.mark.parametrize("text", SMALL)
def test_for_all_true_values_so_many_ends_suffice(text):
    rng, node, means = np.random.default_rng(0), expression(text), means_in(text)
    ends = list(itertools.product(means, (0, 1)))
    for values in rng.uniform(0.05, 0.95, (30, len(means))).tolist():
        truth = dict(zip(means, values, strict=True))
        sets = itertools.combinations(ends, min(n_ends(node), len(ends)))
        assert any(suffices(node, truth, set(chosen)) for chosen in sets)


@pytest.mark.parametrize("text", ["PR - TPR", "max(PR, TPR, FPR) - min(PR, TPR, FPR)"])
def test_fewer_ends_do_not_suffice(text):
    node, means = expression(text), means_in(text)
    truth = dict(zip(means, (0.5, 0.3, 0.7), strict=False))
    ends = itertools.product(means, (0, 1))
    fewer = itertools.combinations(ends, n_ends(node) - 1)
    assert not any(suffices(node, truth, set(chosen)) for chosen in fewer)
