"""All tables of a part and the rest, and their probabilities, for several test files."""

import numpy as np
from scipy.stats import binom

from sklearn_seldonian.bounds import part_ratio_test


def all_tables(n):
    """Rows in the part, its events, and the events of the rest."""
    sizes = range(n + 1)
    return np.array([(m, k, j) for m in sizes for k in range(m + 1) for j in range(n - m + 1)])


def probabilities(tables, n, share, part, rest):
    m, k, j = tables.T
    return binom.pmf(m, n, share) * binom.pmf(k, m, part) * binom.pmf(j, n - m, rest)


def limits_of(successes, trials, delta, *, part_on_top):
    found = part_ratio_test(successes, trials, delta, part_on_top=part_on_top).limits
    assert found is not None
    return found
