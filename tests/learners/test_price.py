"""The price of a choice is stated in words, with both numbers."""

import pytest

from sklearn_seldonian.learners import Outcome, Price

CAVEAT = "What the constraints cost during training is not included."
ON_ROWS = "On the 1,000 candidate rows that epochs are evaluated on, the "
KEPT, FREE = Outcome("accuracy", 0.83, (0.8, 0.2)), Outcome("accuracy", 0.85, (0.7, 0.3))


def price(kept=KEPT, without=FREE, epochs=(3, 5), is_moved=True, **others):
    known = {"is_trained": True, "labels": ("no", "yes"), "positive": 1}
    return Price(kept, without, *epochs, is_moved, 1000, **{**known, **others})


@pytest.mark.parametrize(
    ("told", "change", "numbers"),
    [
        (
            price(),
            "Because of the constraints, epoch 3 was kept instead of epoch 5 and the decision "
            "threshold was moved.",
            "accuracy is 0.8300 instead of 0.8500. The label 'yes' is given to 20.0% of these rows "
            "instead of 30.0%.",
        ),
        (
            price(epochs=(5, 5)),
            "Because of the constraints, the decision threshold was moved.",
            "accuracy is 0.8300 instead of 0.8500. The label 'yes' is given to 20.0% of these rows "
            "instead of 30.0%.",
        ),
        (
            price(is_moved=False, positive=0),
            "Because of the constraints, epoch 3 was kept instead of epoch 5.",
            "accuracy is 0.8300 instead of 0.8500. The label 'no' is given to 80.0% of these rows "
            "instead of 70.0%.",
        ),
        (
            price(KEPT._replace(value=0.85), epochs=(5, 5)),
            "The decision threshold was moved, at no cost.",
            "accuracy is 0.8500 instead of 0.8500. The label 'yes' is given to 20.0% of these rows "
            "instead of 30.0%.",
        ),
        (
            price(KEPT._replace(value=0.87)),
            "Epoch 3 was kept instead of epoch 5 and the decision threshold was moved, at no cost.",
            "accuracy is 0.8700 instead of 0.8500. The label 'yes' is given to 20.0% of these rows "
            "instead of 30.0%.",
        ),
        (
            price(Outcome("loss", 0.6, (0.5, 0.5)), Outcome("loss", 0.5, (0.6, 0.4)), (5, 5)),
            "Because of the constraints, probabilities were moved towards those of a constant "
            "prediction.",
            "loss is 0.6000 instead of 0.5000. The label 'yes' is expected for 50.0% of these rows "
            "instead of 40.0%.",
        ),
        (
            price(
                Outcome("loss", 2.5), Outcome("loss", 2.0), is_moved=False, labels=(), positive=None
            ),
            "Because of the constraints, epoch 3 was kept instead of epoch 5.",
            "loss is 2.5000 instead of 2.0000.",
        ),
        (
            price(
                Outcome("weighted accuracy", 0.5, (0.1, 0.5, 0.4)),
                Outcome("weighted accuracy", 0.6, (0.2, 0.2, 0.6)),
                labels=(7, 8, 9),
                positive=None,
                epochs=(5, 5),
            ),
            "Because of the constraints, the decision threshold was moved.",
            "weighted accuracy is 0.5000 instead of 0.6000. The label 8 is given to 50.0% of these "
            "rows instead of 20.0%.",
        ),
    ],
)
def test_in_words(told, change, numbers):
    assert str(told) == f"{change} {ON_ROWS}{numbers} {CAVEAT}"


def test_where_nothing_was_trained():
    assert str(price(epochs=(1, 1), is_trained=False)) == (
        "Because of the constraints, the decision threshold was moved. On the 1,000 candidate rows "
        "that the choice was made on, the accuracy is 0.8300 instead of 0.8500. The label 'yes' is "
        "given to 20.0% of these rows instead of 30.0%."
    )


def test_long_labels_are_shortened():
    told = str(price(labels=("no", "y\n" * 500)))
    assert len(told) < 500
    assert "\n" not in told


@pytest.mark.parametrize(
    ("told", "kept", "without"),
    [
        (
            price(),
            "epoch 3 (kept, threshold moved): accuracy 0.8300, 20.0% labelled 'yes'",
            "epoch 5 (best without constraints): accuracy 0.8500, 30.0% labelled 'yes'",
        ),
        (
            price(
                Outcome("loss", 2.5), Outcome("loss", 2.0), is_moved=False, labels=(), positive=None
            ),
            "epoch 3 (kept): loss 2.5000",
            "epoch 5 (best without constraints): loss 2.0000",
        ),
        (
            price(Outcome("loss", 0.6, (0.5, 0.5)), Outcome("loss", 0.5, (0.6, 0.4))),
            "epoch 3 (kept, probabilities moved): loss 0.6000, 50.0% labelled 'yes'",
            "epoch 5 (best without constraints): loss 0.5000, 40.0% labelled 'yes'",
        ),
    ],
)
def test_in_short(told, kept, without):
    assert told.in_short == (kept, without)
