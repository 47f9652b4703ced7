import itertools

import numpy as np
import pytest

from sklearn_seldonian.selection import averaged, position_of_best, selection_key


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        # (feasibility score, error, loss)
        ((0.98, 0.3, 0.5), (0.96, 0.2, 0.6)),  # both pass: the error decides
        ((0.98, 0.3, 0.5), (0.96, 0.3, 0.4)),  # equal errors: the loss decides
        ((0.94, 0.1, 0.5), (0.95, 0.4, 0.9)),  # one passes
        ((0.90, 0.1, 0.5), (0.92, 0.4, 0.9)),  # none passes: the more likely one
        ((0.917, 0.4, 0.5), (0.912, 0.1, 0.5)),  # about equally likely
        ((-0.5, 0.1, 0.5), (0.001, 0.4, 0.9)),
        ((-0.52, 0.1, 0.5), (-0.51, 0.4, 0.9)),
    ],
)
def test_the_better_has_the_larger_key(worse, better):
    assert selection_key(*worse, power=0.95) < selection_key(*better, power=0.95)
    scores, errors, losses = np.transpose([worse, better])
    if errors[0] != errors[1]:
        assert position_of_best(scores, errors, losses, power=0.95) == 1


def test_of_equals_the_nearest_is_taken():
    scores, errors = np.array([0.99, 0.97, 0.99, 0.2]), np.array([0.2, 0.2, 0.2, 0.1])
    for distances in itertools.permutations([3.0, 1.0, 2.0]):
        found = position_of_best(scores, errors, np.array([*distances, 0.0]), power=0.9)
        assert distances[found] == 1.0


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([0.5] * 9, [0.5] * 9),
        ([0.3], [0.3]),
        ([0.0] * 4 + [0.7] + [0.0] * 4, [0.0] + [0.1] * 7 + [0.0]),
        ([0.7] + [0.0] * 5, [0.4, 0.3, 0.2, 0.1, 0.0, 0.0]),  # the first is repeated
    ],
)
def test_errors_are_averaged_with_three_neighbours_on_each_side(errors, expected):
    assert averaged(np.array(errors)).tolist() == pytest.approx(expected)


def test_a_single_low_error_is_not_the_lowest_average():
    errors = 0.3 + 0.02 * np.abs(np.arange(-20, 21)) / 20
    errors[35] = 0.29
    assert errors.argmin() == 35
    assert abs(averaged(errors).argmin() - 20) <= 1
