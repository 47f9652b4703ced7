"""Numbers found by bisection, compared with counting up to them."""

import pytest

from sklearn_seldonian.certification._search import MAX_ROWS, halved, smallest, smallest_near


@pytest.mark.parametrize("least", [1, 2, 17, 1000, 99_999])
def test_smallest_is_the_first_that_suffices(least):
    assert smallest(lambda n: n >= least, 0) == least
    assert smallest(lambda n: n >= least, least - 1) == least
    assert halved(lambda n: n >= least, -1, 2 * least) == least


@pytest.mark.parametrize("guess", [0, 1, 900, 1000, 50_000, MAX_ROWS])
@pytest.mark.parametrize("least", [1, 9, 1000, 99_999])
def test_smallest_near_a_guess_is_within_two_parts_in_a_hundred(guess, least):
    found = smallest_near(guess, lambda n: n >= least)
    assert least <= found <= 1.02 * least + 1


@pytest.mark.parametrize("search", [lambda s: smallest(s, 0), lambda s: smallest_near(10, s)])
def test_the_search_ends_at_the_largest_number_of_rows(search):
    asked = []
    assert search(lambda n: asked.append(n)) is None
    assert max(asked) <= MAX_ROWS
