"""Kept rows, in a random order."""

import numpy as np
import pytest

from sklearn_seldonian.certification._kept_rows import KeptRows
from sklearn_seldonian.data._units import units_of


def rows(n_rows=60, groups=None, weights=None, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, n_rows).astype(np.int32)
    labels, values = rng.integers(0, 2, n_rows), rng.integers(0, 2, n_rows)
    entries = np.stack([1.0 - values, values], axis=1)
    return KeptRows.of(codes, labels, entries, units_of(groups, weights, n_rows))


GROUPS = np.random.default_rng(1).integers(0, 20, 60)
WEIGHTS = np.random.default_rng(2).choice([0.5, 1.0, 2.0], 60)
GIVEN = [(None, None), (GROUPS, None), (None, WEIGHTS), (GROUPS, WEIGHTS)]


@pytest.mark.parametrize(("groups", "weights"), GIVEN)
def test_the_drawn_order_depends_on_the_rows_and_the_seed_alone(groups, weights):
    given = rows(groups=groups, weights=weights)
    moved = np.random.default_rng(3).permutation(60)
    other = KeptRows(*(part[moved] for part in given))
    for one, same in zip(given.in_drawn_order(5), other.in_drawn_order(5), strict=True):
        assert np.array_equal(one, same)
    assert not np.array_equal(given.in_drawn_order(5).codes, given.in_drawn_order(6).codes)


@pytest.mark.parametrize(("groups", "weights"), GIVEN)
def test_rows_of_a_unit_stay_together_and_units_are_numbered(groups, weights):
    given = rows(groups=groups, weights=weights)
    drawn = given.in_drawn_order(5)
    n_units = len(np.unique(given.units)) if groups is not None else len(given.units)
    assert np.array_equal(np.unique(drawn.units), np.arange(n_units))
    assert (np.diff(drawn.units) >= 0).all()

    def contents(kept):
        units = kept.units if groups is not None else np.arange(len(kept.units))
        parts = [
            np.column_stack([kept.codes, kept.labels, kept.entries, kept.weights])[units == u]
            for u in np.unique(units)
        ]
        return sorted(tuple(map(tuple, part[np.lexsort(part.T)])) for part in parts)

    assert contents(given) == contents(drawn)


def test_every_order_of_units_is_as_likely():
    groups, labels = np.array([0, 0, 1, 2, 2]), np.arange(5)
    kept = KeptRows.of(np.zeros(5, np.int32), labels, np.ones((5, 1)), units_of(groups, None, 5))
    firsts = [kept.in_drawn_order(seed).labels[0] for seed in range(600)]
    for unit in range(3):
        assert np.isin(firsts, labels[groups == unit]).mean() == pytest.approx(1 / 3, abs=0.08)


def test_rows_follow_each_other():
    one, other = rows(10), rows(20, seed=1)
    both = one.followed_by(other)
    assert len(both.codes) == 30
    assert np.array_equal(both.entries[10:], other.entries)


@pytest.mark.parametrize(("groups", "weights"), GIVEN)
def test_parts_have_the_order_of_the_whole(groups, weights):
    """Rows that came in batches have the random order of rows that came at once, also across
    batches.
    """
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 3, 60).astype(np.int32), rng.integers(0, 2, 60)
    entries, units = rng.random((60, 2)), units_of(groups, weights, 60)
    whole = KeptRows.of(codes, labels, entries, units)
    parts = [
        KeptRows.of(codes[at], labels[at], entries[at], None if units is None else units.take(at))
        for at in (slice(0, 20), slice(20, 60))
    ]
    together = parts[0].followed_by(parts[1])
    for one, same in zip(whole.in_drawn_order(3), together.in_drawn_order(3), strict=True):
        assert np.array_equal(one, same)
