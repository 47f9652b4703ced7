"""Bounds are the tightest limits with which a constraint passes."""

import math

import pytest

from sklearn_seldonian.bounds import binomial_lower, binomial_upper, rate_ratio_upper
from sklearn_seldonian.certification._limits import tightest_limit
from tests.certification._rows import DATA, Data

SOFT_GROUPS = Data(
    {
        (0, 0, 0): 900, (0, 0, 1): 100, (0, 1, 0): 100, (0, 1, 1): 900,
        (1, 0, 0): 880, (1, 0, 1): 120, (1, 1, 0): 90, (1, 1, 1): 910,
    },
    sharpness=0.8,
)  # fmt: skip


def tightest(data, text, delta, asked):
    """The tightest limit on g, where `text` has the limit `asked`."""
    constraint = data.bind(text.format(abs(asked)))
    evidence = data.statistics(text.format(abs(asked))).evidence(constraint.estimands)
    return tightest_limit(constraint, evidence, delta, "auto", asked)


@pytest.mark.parametrize("delta", [0.01, 0.05])
@pytest.mark.parametrize(
    ("text", "asked", "bound"),
    [
        (
            "PR|[M] / PR|[not M] <= {}",
            (0.8, 1.5),
            lambda delta: rate_ratio_upper((400, 390), (700, 700), delta),
        ),
        (
            "PR|[M] / PR|[not M] >= {}",
            (-0.8, -1.5),
            lambda delta: -1 / rate_ratio_upper((390, 400), (700, 700), delta),
        ),
        ("ERR ** 2 <= {}", (0.001, 0.1), lambda delta: binomial_upper(130, 1400, delta) ** 2),
        (
            "sqrt(ACC) >= {}",
            (-0.5, -0.99),
            lambda delta: -math.sqrt(binomial_lower(1270, 1400, delta)),
        ),
        (
            "max(PR|[M] / PR|[not M], 1.2 * ACC) <= {}",  # both at the whole delta
            (0.9, 1.5),
            lambda delta: max(
                rate_ratio_upper((400, 390), (700, 700), delta),
                1.2 * binomial_upper(1270, 1400, delta),
            ),
        ),
    ],
)
@pytest.mark.thinned(2)
def test_the_tightest_limit_is_one_step_above_the_bound_or_less(text, asked, bound, delta):
    for limit in asked:
        found = tightest(DATA, text, delta, limit)
        assert bound(delta) - 1e-9 <= found <= bound(delta) + 1.01 * 2.0**-13 * abs(found)


@pytest.mark.parametrize(
    "data",
    [
        Data({(1, 0, 0): 100, (1, 0, 1): 100}),
        Data({(1, 0, 0): 100, (1, 0, 1): 100, (0, 0, 0): 200}),
    ],
    ids=["no rows", "no positives"],
)
def test_where_no_limit_passes_it_is_infinite(data):
    assert tightest(data, "PR|[M] / PR|[not M] <= {}", 0.05, 1.2) == math.inf
    assert tightest(data, "PR|[M] ** 2 <= {}", 0.05, 1.2) < 0.5


@pytest.mark.parametrize(
    "text", ["PR|[M] / PR|[not M] >= {}", "F1 >= {}", "sqrt(ACC) >= {}", "PR|[M] ** 2 >= {}"]
)
def test_the_bound_is_the_limit_at_which_it_would_just_pass(text):
    bound = DATA.certify(text.format(0.9)).bound
    assert DATA.certify(text.format(f"{bound - 1e-3:.6f}")).passed
    assert not DATA.certify(text.format(f"{bound + 1e-3:.6f}")).passed


@pytest.mark.parametrize(
    ("text", "limits", "deterministic"),
    [
        ("PR|[M] / PR|[not M] >= {}", (0.5, 0.8, 0.87, 0.95, 1.2), True),
        ("PR|[M] / PR|[not M] <= {}", (0.8, 1.1, 1.25, 40), True),
        ("PR|[M] >= {} * PR|[not M]", (0.5, 0.8, 0.87, 0.95, 1.2), True),
        ("PR|[M] * {} >= PR|[not M]", (0.8, 1.1, 1.25, 40), True),
        ("NR|[M] / NR|[not M] >= {}", (0.5, 0.8, 1.2), True),
        ("NR|[M] / PR|[not M] <= {}", (0.5, 1.2, 2), True),
        ("NR|[M] / NR|[not M] >= {}", (0.5, 0.8, 1.2), False),
        ("(PR|[M] - PR|[not M]) / (PR|[M] + PR|[not M]) <= {}", (0.01, 0.05, 0.5), True),
        ("log(TPR|[M] / TPR|[not M]) >= {}", (-0.5, -0.1, 0.01), True),
        ("PR|[M] / (PR|[not M] + TPR|[M]) >= {}", (0.1, 0.3, 0.6), True),
        ("(PR|[M] + 1) / (PR|[not M] + 1) <= {}", (0.9, 1.05, 1.3), True),
        ("min(PR|[M] / PR|[not M], ACC) >= {}", (0.3, 0.8, 0.95), True),
        ("max(PR|[M] / PR|[not M], 0.5 + ACC) >= {}", (0.3, 0.8, 1.3, 1.45), True),
        ("max(PR|[M] / PR|[not M], 0.5 * ACC) >= {}", (0.3, 0.8, 1.3), True),
        ("min(PR|[M], TPR + 2) <= {}", (0.3, 0.6, 0.7, 2.5), True),
        ("abs(PR|[M]) >= {}", (0.3, 0.6), True),
        ("PR|[M] + PR|[not M] - TPR <= {}", (0, 0.3), True),
        ("F1 >= {}", (0.5, 0.8, 0.93, 0.99), True),
        ("sqrt(ACC) >= {}", (0.5, 0.9, 0.99), True),
        ("PPV >= {}", (0.5, 0.8, 0.9), True),
        ("PPV >= {}", (0.2, 0.6, 0.9), False),
        ("F1 >= {}", (0.2, 0.6, 0.9), False),
        ("PPV <= {}", (0.8, 0.9, 0.99), False),
        ("PR|[M] / PR|[not M] >= {}", (0.5, 0.8, 1.1), False),
    ],
)
@pytest.mark.thinned(2)
def test_a_bound_does_not_depend_on_the_requested_limit(text, limits, deterministic):
    data = DATA if deterministic else SOFT_GROUPS
    every = [data.certify(text.format(limit), deterministic=deterministic) for limit in limits]
    results = [result for result in every if result.method != "arithmetic"]  # true of any model
    bounds = [result.bound for result in results]
    assert bounds == pytest.approx([bounds[0]] * len(bounds), rel=2e-4)
    assert math.isfinite(bounds[0])
    for result in results:
        upper = result.operator == "<="
        easier = result.bound <= result.limit if upper else result.bound >= result.limit
        assert result.passed == easier
    assert len({result.passed for result in results}) == 2  # on both sides of the bound
