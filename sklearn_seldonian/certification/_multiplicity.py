"""Several models tested on the same rows, with the promise of a single test.

Assumes that the models and their order do not depend on the rows that they are tested on. Nothing
is assumed about the dependence between the models' tests.

A model passes if all its constraints pass, each at its own delta or at an equal share of it. This
is an intersection-union test of "the model violates a constraint". So a model that violates
constraint c passes with probability at most that share of delta_c. The procedures of this module
conclude for every constraint c: the probability that any model is certified that violates c is at
most delta_c. The probability that any model is certified that violates any constraint is at most
the largest delta. Therefore any rule may be used to choose among the certified models. The chosen
model has the promise of a single test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import takewhile


def fixed_sequence(n_models: int, passes: Callable[[int], bool]) -> list[int]:
    """Test models one after another, each at the full delta, until one fails.

    The sources are [1]_ and [2]_, and [3]_ for predictive models. Consider the first model in the
    order that violates a constraint. If any such model is certified, this one has passed. The order
    does not depend on the rows, so this model is fixed. It passes with probability at most delta.

    Parameters
    ----------
    n_models : int
    passes : callable
        Whether the i-th model passes at the full delta.

    Returns
    -------
    list of int
        The certified models: all before the first failure.

    References
    ----------
    .. [1] W. Maurer, L. A. Hothorn and W. Lehmacher, "Multiple comparisons in drug clinical
       trials and preclinical assays: a-priori ordered hypotheses", in Biometrie in der
       chemisch-pharmazeutischen Industrie 6, 1995.
    .. [2] P. H. Westfall and A. Krishen, "Optimally weighted, fixed sequence and gatekeeper
       multiple testing procedures", Journal of Statistical Planning and Inference 99, 2001.
    .. [3] A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan and L. Lei, "Learn then
       test: calibrating predictive algorithms to achieve risk control", arXiv:2110.01052, 2021.
    """
    return list(takewhile(passes, range(n_models)))


def fixed_sequence_in_words(n_models: int, n_tested: int, by: str) -> str:
    """The sentence about a fixed sequence in a certificate; `by` fixed its order."""
    return (
        f"{n_models} models were to be tested at the full delta each, in an order fixed by {by}, "
        f"up to the first failure. Tested: {n_tested}."
    )


def holm_in_words(n_models: int, k: int) -> str:
    """The sentence about Holm's method in a certificate at delta / k."""
    return (
        f"{n_models} models were tested by Holm's method, which keeps to delta for all of them "
        f"together. The bounds above are this model's, tested at delta / {k}."
    )


def holm(n_models: int, passes: Callable[[int, int], bool]) -> dict[int, int]:
    """Test all models, at delta / n_models first and at larger shares as models pass.

    This is Holm's method [1]_ with tests instead of p-values. Each model is tested at level delta /
    k, where k is the number of models that are not certified yet. It counts as passing only if it
    also passes at delta / (k - 1), ..., delta. So a model that passes at a level passes at all
    larger levels, even if its bounds are not monotone in delta.

    Suppose m0 models violate a constraint. Consider the time when the first of them is certified.
    None of the m0 was certified before, so k >= m0. So this model passes at delta / m0 as well. By
    Bonferroni's inequality, the probability that any of the m0 models passes at delta / m0 is at
    most m0 * delta / m0 = delta.

    Parameters
    ----------
    n_models : int
    passes : callable
        ``passes(i, k)``: whether the i-th model passes at delta / k.

    Returns
    -------
    dict of int to int
        For each certified model, the k it was certified with.

    References
    ----------
    .. [1] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
       Journal of Statistics 6, 1979.
    """
    levels = range(1, n_models + 1)
    # For each model, the largest k such that it passes at delta / 1, ..., delta / k.
    depths = [sum(1 for _ in takewhile(partial(passes, i), levels)) for i in range(n_models)]
    certified: dict[int, int] = {}
    while len(certified) < n_models:
        k = n_models - len(certified)
        new = [i for i in range(n_models) if i not in certified and depths[i] >= k]
        if not new:
            break
        certified |= dict.fromkeys(new, k)
    return certified
