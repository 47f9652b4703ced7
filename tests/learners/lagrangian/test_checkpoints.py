import numpy as np
import pytest
import torch

from sklearn_seldonian import NoSolutionFoundWarning, SeldonianClassifier
from sklearn_seldonian.learners._price import Outcome
from sklearn_seldonian.learners.lagrangian._checkpoints import (
    Candidate,
    Checkpoints,
    LatestOfBest,
    n_selection_rows,
)
from sklearn_seldonian.modules import MLP
from sklearn_seldonian.selection import Prediction


def candidate(score, error, loss):
    """A candidate with this feasibility score: a probability of passing, or a negative number."""
    bound, probability = max(-score, 0.0), max(score, 0.0)
    prediction = Prediction(np.array([bound]), np.array([probability]))
    return Candidate(np.array([0.0]), prediction, np.array(error), loss)


@pytest.mark.parametrize(
    ("offers", "kept"),
    [
        # (feasibility score, error, loss)
        ([(0.99, 0.3, 0.5), (0.98, 0.3, 0.4), (1.0, 0.3, 0.6)], 2),
        ([(0.99, 0.3, 0.5), (0.98, 0.2, 0.6), (1.0, 0.25, 0.4)], 2),
        ([(0.5, 0.1, 0.5), (0.96, 0.4, 0.9), (0.6, 0.1, 0.1)], 2),
        ([(0.5, 0.1, 0.5), (0.7, 0.3, 0.4), (0.59, 0.1, 0.3)], 2),
        ([(0.5, 0.1, 0.5), (0.7, 0.3, 0.4), (0.61, 0.4, 0.5)], 3),  # about equally likely
        ([(0.9, 0.1, 0.5), (0.955, 0.3, 0.4), (0.94, 0.1, 0.3)], 2),
        ([(0.949, 0.1, 0.5), (0.951, 0.4, 0.6)], 2),
        ([(-0.9, 0.1, 0.5), (-0.5, 0.3, 0.6), (-0.7, 0.1, 0.4)], 2),
        ([(1.0, 0.0, float("nan")), (-0.5, 0.3, 0.6)], 2),
        ([(1.0, 0.0, float("nan"))], None),
    ],
)
def test_best_of_those_predicted_to_pass_or_the_likeliest(offers, kept):
    checkpoints = Checkpoints(power=0.95)
    module = torch.nn.Linear(1, 1)
    for epoch, offer in enumerate(offers, start=1):
        with torch.no_grad():
            module.weight.fill_(epoch)
        offered = candidate(*offer)
        checkpoints.offer(epoch, module, offered, torch.full((2, 1), epoch))
    assert checkpoints.epoch == kept
    if kept:
        assert checkpoints.best["weight"].item() == kept
        best, scores = checkpoints.evaluated
        assert (best.error, best.loss) == offers[kept - 1][1:]
        assert scores.unique().item() == kept
    else:
        assert checkpoints.evaluated is None


def errors_of(wrong, n_rows=400):
    """The errors of rows, of which those numbered in `wrong` are decided wrongly."""
    return np.isin(np.arange(n_rows), wrong) / n_rows


# The difference between the two has a standard error of sqrt(16) / 400 = .01.
SIXTEEN = range(16)


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        # For each epoch: the feasibility score and the wrong rows.
        ([(0.9, SIXTEEN), (0.9, SIXTEEN)], 2),
        ([(0.9, SIXTEEN), (0.9, range(8, 24))], 2),
        ([(0.9, SIXTEEN), (0.9, range(7, 25))], 2),  # worse by .5 standard errors
        ([(0.9, SIXTEEN), (0.9, range(7, 26))], 1),
        ([(0.9, SIXTEEN), (0.8, SIXTEEN)], 1),
        ([(0.8, SIXTEEN), (0.9, range(100))], 2),
        # Every epoch is compared with the best, so that the errors cannot rise step by step.
        ([(0.9, range(40)), (0.9, range(20, 61)), (0.9, range(1, 44)), (0.9, range(52))], 2),
        ([(0.9, ()), (0.9, (0,))], 1),
    ],
)
def test_the_latest_epoch_is_kept_unless_it_is_worse_by_a_margin(epochs, kept):
    choice = LatestOfBest(power=0.9)
    chosen = 0
    for epoch, (score, wrong) in enumerate(epochs, start=1):
        errors = errors_of(list(wrong))
        if choice.offer(epoch, (score, -errors.sum(), 0.0), errors):
            chosen = epoch
    assert chosen == kept
    keys = [(score, -len(wrong)) for score, wrong in epochs]
    assert choice.improved == 1 + keys.index(max(keys))


def test_without_errors_of_rows_only_a_better_epoch_is_kept():
    choice = LatestOfBest(power=0.9)
    keys = (0.9, 0.0, -0.5), (0.9, 0.0, -0.5), (0.9, 0.0, -0.4)
    assert [choice.offer(i, key, None) for i, key in enumerate(keys)] == [True, False, True]


def outcome(error, positive):
    return Outcome("accuracy", 1.0 - error, (1.0 - positive, positive))


AS_IT_IS = outcome(0.2, 0.5)


@pytest.mark.parametrize(
    ("epochs", "price"),
    [
        # For each epoch: (feasibility score, outcome as decided, outcome without offsets). Then the
        # kept epoch and its share, those without constraints, and whether the threshold was moved.
        ([(0.99, AS_IT_IS, AS_IT_IS)], None),
        ([(0.99, AS_IT_IS, AS_IT_IS), (0.99, outcome(0.3, 0.5), outcome(0.3, 0.5))], None),
        ([(0.99, outcome(0.2, 0.4), AS_IT_IS)], (1, 0.4, 1, 0.5, True)),
        ([(0.99, outcome(0.3, 0.4), AS_IT_IS)], (1, 0.4, 1, 0.5, True)),
        (
            [(0.1, outcome(0.1, 0.6), outcome(0.1, 0.6)), (0.99, AS_IT_IS, AS_IT_IS)],
            (2, 0.5, 1, 0.6, False),
        ),
        (
            [(0.99, outcome(0.25, 0.4), AS_IT_IS), (0.1, outcome(0.1, 0.6), outcome(0.1, 0.7))],
            (1, 0.4, 2, 0.7, True),
        ),
        # Of epochs that are equal without constraints, the kept one counts.
        ([(0.1, AS_IT_IS, outcome(0.2, 0.9)), (0.99, AS_IT_IS, AS_IT_IS)], None),
        # NaN is worse than any number.
        ([(0.1, outcome(np.nan, 0.1), outcome(np.nan, 0.1)), (0.99, AS_IT_IS, AS_IT_IS)], None),
    ],
)
def test_the_price_is_what_another_epoch_or_decision_would_have_been_better_by(epochs, price):
    checkpoints = Checkpoints(power=0.95)
    for epoch, (score, decided, as_it_is) in enumerate(epochs, start=1):
        offer = candidate(score, 1.0 - decided.value, 0.5)
        offer = offer._replace(outcome=decided, unadjusted=as_it_is)
        checkpoints.offer(epoch, torch.nn.Linear(1, 1), offer, torch.zeros(1))
    told = checkpoints.price(1000, is_trained=True)
    if price is None:
        assert told is None
        return
    shares = told.kept.shares[1], told.without.shares[1]
    assert (told.epoch, shares[0], told.epoch_without, shares[1], told.is_moved) == price
    assert (told.n_rows, told.is_trained) == (1000, True)


def test_without_epochs_nothing_is_paid():
    checkpoints = Checkpoints(power=0.95)
    assert checkpoints.price(1000, True) is None
    checkpoints.keep(1, torch.nn.Linear(1, 1))  # without constraints
    assert checkpoints.price(1000, True) is None


LINEAR, SMALL, LARGE = MLP(100, 2, hidden=()), MLP(9, 2, hidden=(8,)), MLP(20, 2, hidden=(64, 64))


@pytest.mark.parametrize(
    ("n_candidate", "n_smallest", "module", "held_out"),
    [
        (2_020, 2_020, LINEAR, 0),  # 202 parameters
        (2_019, 2_019, LINEAR, 1_009),
        (980, 980, SMALL, 0),  # 98 parameters
        (979, 979, SMALL, 489),
        (9_800, 980, SMALL, 0),
        (9_800, 979, SMALL, 4_900),
        (40, 40, SMALL, 20),
        (39, 39, SMALL, 0),
        (9_000, 9_000, LARGE, 4_500),
        (35_000, 35_000, LARGE, 5_000),
        (56_000, 50_000, LARGE, 5_600),
        (60_000, 60_000, LARGE, 0),
    ],
)
def test_rows_held_out(n_candidate, n_smallest, module, held_out):
    assert n_selection_rows(n_candidate, n_smallest, module) == held_out


@pytest.mark.parametrize(("n_rows", "held_out"), [(1_299, 649), (1_300, 0)])
def test_weights_that_are_not_trained_memorise_nothing(n_rows, held_out):
    frozen = MLP(20, 2, hidden=(64, 64))
    for parameter in list(frozen.parameters())[:-2]:  # 130 are left
        parameter.requires_grad = False
    assert n_selection_rows(n_rows, n_rows, frozen) == held_out


@pytest.mark.parametrize("n_rows", [100, 240])
def test_a_network_is_not_sure_of_what_it_memorised_from_few_rows(n_rows):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((n_rows, 40)), rng.integers(0, 2, n_rows)
    model = SeldonianClassifier(constraints="ACC >= 0.6", module__hidden=(64,), random_state=0)
    with pytest.warns(NoSolutionFoundWarning):
        model.fit(X, y)
    assert model.history_["passing_0"].iloc[-1] < 0.7
