"""Normal approximations of functions of means: by hand, and for several populations."""

import math
from dataclasses import replace

import pytest
from scipy import stats

from sklearn_seldonian.certification._methods_normal import WIDER, delta_method, normal_upper
from tests.certification._atoms import atom_and_evidence, in_pairs, in_two_populations

DELTA = 0.05


def approximation(atom, evidence, slopes_of, delta, wider=1.0):
    """The bound by the delta method, with the derivatives given by hand."""
    estimates = [evidence.samples[mean].estimate for mean in atom.estimands]
    value, slopes = slopes_of(*estimates)
    n, variance = evidence.sample_variance(atom.estimands, slopes)
    return value + wider * stats.t.ppf(1 - delta, n - 1) * math.sqrt(variance / n)


CASES = [
    ("PR | [M] * PR | [F] <= 0.4", lambda a, b: (a * b - 0.4, [b, a])),
    ("exp(PR) + Price <= 9", lambda a, b: (math.exp(a) + b - 9, [math.exp(a), 1])),
    ("PR | [M] - PR | [F] <= 0.1", lambda a, b: (a - b - 0.1, [1, -1])),
]


@pytest.mark.parametrize(("text", "slopes_of"), CASES)
@pytest.mark.parametrize("units_of_rows", [None, in_pairs])
def test_the_delta_method_uses_the_derivatives_at_the_estimates(text, slopes_of, units_of_rows):
    atom, seen = atom_and_evidence(text, units_of_rows=units_of_rows)
    method = delta_method(atom, seen)
    assert method.name == "delta method"
    assert method.upper(DELTA) == pytest.approx(approximation(atom, seen, slopes_of, DELTA))
    assert normal_upper(atom, seen, DELTA) == pytest.approx(
        approximation(atom, seen, slopes_of, DELTA, WIDER)
    )


@pytest.mark.parametrize("delta", [0.01, 0.3, 0.7])
def test_the_p_value_is_the_delta_at_which_the_limit_is_reached(delta):
    """The atom is `mean - limit`, and the limit is the bound at delta."""
    bound = delta_method(*atom_and_evidence("Price * ERR <= 0")).upper(delta)
    atom, seen = atom_and_evidence(f"Price * ERR <= {bound!r}")
    assert delta_method(atom, seen).p_value(0.05) == pytest.approx(delta, abs=1e-6)


def test_the_worst_population_counts():
    atom, seen = atom_and_evidence("Cost * PR <= 0.5", units_of_rows=in_two_populations)
    method, own = delta_method(atom, seen), [delta_method(atom, e) for e in seen.populations]
    assert len(own) == 2
    assert method.upper(DELTA) == max(each.upper(DELTA) for each in own)
    assert method.p_value(DELTA) == max(each.p_value(DELTA) for each in own)
    uppers = [normal_upper(atom, each, DELTA) for each in seen.populations]
    assert normal_upper(atom, seen, DELTA) == max(uppers)
    assert len({each.upper(DELTA) for each in own}) == len(set(uppers)) == 2


@pytest.mark.parametrize(("n", "is_known"), [(0, False), (1, False), (2, True)])
def test_a_variance_that_is_not_known_has_no_test(n, is_known):
    atom, seen = atom_and_evidence("Price <= 5", n=n)
    assert (delta_method(atom, seen) is not None) is is_known


def test_one_population_without_a_variance_leaves_no_test():
    atom, seen = atom_and_evidence("Cost <= 1", units_of_rows=in_two_populations)
    first, second = seen.populations
    unknown = replace(second, variance=lambda means, slopes: math.nan)
    assert delta_method(atom, replace(seen, populations=(first, second))) is not None
    assert delta_method(atom, replace(seen, populations=(first, unknown))) is None
    assert normal_upper(atom, unknown, DELTA) == math.inf
