"""The output that a fit prints, and the fits that print nothing."""

import io
import logging
import re
import sys

import pytest
from skorch.callbacks import EpochScoring

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian._text import wrapped
from sklearn_seldonian.exceptions import NoSolutionFoundWarning
from sklearn_seldonian.learners.lagrangian import _progress
from sklearn_seldonian.modules import MLP

PARITY = "abs(PR | [M] - PR | [F]) <= 0.2"
RATIO = "PR | [M] / PR | [F] >= 0.6"


def lines_of_fit(blobs, groups, capsys, constraints, **others):
    model = SeldonianClassifier(
        MLP, constraints=constraints, random_state=0, **{"max_epochs": 2, **others}
    )
    model.fit(*blobs, sensitive_features=groups)
    captured = capsys.readouterr()
    assert captured.err == ""
    return model, captured.out.splitlines()


def test_one_row_an_epoch_about_the_constraint(blobs, groups, capsys):
    model, lines = lines_of_fit(blobs, groups, capsys, "ACC >= 0.7", verbose=1)
    head, rule, first, second, verdict, *_ = lines
    assert head.split() == [
        *("epoch", "loss", "predicted", "bound", "multiplier", "passing", "kept", "seconds")
    ]
    assert set(rule) == {"-", " "}
    epoch, loss, bound, sign, limit, multiplier, passing, *_ = first.split()
    told = model.history_.iloc[0]
    assert (epoch, sign, limit) == ("1", ">=", "0.7")
    assert float(loss) == pytest.approx(told["loss"], abs=1e-4)
    assert float(bound) == pytest.approx(told["predicted_bound_0"], abs=1e-4)
    assert float(multiplier) == pytest.approx(told["multiplier_0"], abs=1e-4)
    assert float(passing) == pytest.approx(told["passing_0"], abs=1e-3)
    assert second.split()[0] == "2"
    assert verdict == "Safety test passed: the constraint is certified."


def test_the_worst_of_several_constraints(blobs, groups, capsys):
    constraints = ["PR <= 0.99", "ACC >= 0.97", PARITY]
    with pytest.warns(NoSolutionFoundWarning):
        _, lines = lines_of_fit(blobs, groups, capsys, constraints, verbose=1)
    assert lines[:3] == [f"constraint {i}: {text}" for i, text in enumerate(constraints)]
    _, _, worst, bound, sign, limit, _, passing, *_ = lines[5].split()
    assert (worst, sign, limit) == ("1", "<", "0.97")
    assert float(bound) < 0.97
    assert passing == "0.000"
    assert "No Solution Found: 2 of 3 constraints passed." in lines


@pytest.mark.parametrize(("n_epochs", "has_price"), [(2, False), (3, True)])
def test_every_constraint(n_epochs, has_price, blobs, groups, capsys):
    constraints, params = ["ACC >= 0.7", RATIO, PARITY], {"verbose": 2, "max_epochs": n_epochs}
    model, lines = lines_of_fit(blobs, groups, capsys, constraints, **params)
    assert (model.price_ is not None) == has_price
    start = next(i for i, line in enumerate(lines) if line.startswith("---")) + 1
    rows = [line.split() for line in lines[start : start + n_epochs * 3]]
    verdict, *remark = lines[start + n_epochs * 3 :]
    assert verdict == model.certificate_.verdict
    assert " ".join(" ".join(remark).split()) == str(model.price_ or "")
    assert all(len(line) <= 80 for line in lines)
    assert [row[:1] for row in rows[1:3]] == [["1"], ["2"]]
    assert rows[2][2:4] == ["<=", "0.2"]
    assert float(rows[2][1]) == pytest.approx(model.history_["predicted_bound_2"][0], abs=1e-4)


def test_long_constraints_are_broken_into_lines(blobs, groups, capsys):
    long = " + ".join(["abs(PR | [M] - PR | [F])"] * 4) + " <= 4"
    _, lines = lines_of_fit(blobs, groups, capsys, ["ACC >= 0.6", long], verbose=1)
    assert lines[0] == "constraint 0: ACC >= 0.6"
    head = next(i for i, line in enumerate(lines) if line.startswith("epoch"))
    assert head == 3
    assert " ".join(" ".join(lines[1:head]).split()) == f"constraint 1: {long}"
    assert all(len(line) <= 80 for line in lines)


def test_a_ratio_is_shown_as_a_ratio(blobs, groups, capsys):
    model, lines = lines_of_fit(blobs, groups, capsys, RATIO, verbose=1)
    bound, limit = model.history_["predicted_bound_0"][0], 0.6
    assert f"{bound:.4f} {'>=' if bound >= limit else '<'} {limit}" in lines[2]


def test_without_constraints(blobs, groups, capsys):
    _, lines = lines_of_fit(blobs, groups, capsys, (), verbose=1)
    assert lines[0].split() == ["epoch", "loss", "seconds"]
    assert len(lines) == 4


def test_what_other_callbacks_record_has_a_column(blobs, groups, capsys):
    scoring = EpochScoring(
        lambda net, X, y=None: 0.25, name="mine", on_train=True, use_caching=False
    )
    _, lines = lines_of_fit(blobs, groups, capsys, "ACC >= 0.7", verbose=1, callbacks=[scoring])
    assert lines[0].split()[-3:] == ["mine", "kept", "seconds"]
    assert "0.2500" in lines[2]


def test_nothing_is_printed_by_default(blobs, groups, capsys):
    _, lines = lines_of_fit(blobs, groups, capsys, PARITY)
    assert lines == []


def test_other_output_is_logged(blobs, groups, caplog):
    with caplog.at_level(logging.INFO, logger="sklearn_seldonian"):
        model = SeldonianClassifier(MLP, constraints="ACC >= 0.7", random_state=0, max_epochs=2)
        model.fit(*blobs)
    assert caplog.messages == [
        "Training on 500 rows; 500 are held out for the test.",
        f"Epoch {model.net_.kept_epoch_} of 2 was kept.",
        "Safety test passed: the constraint is certified.",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_bar_over_all_batches_on_terminals_only(blobs, stream, monkeypatch):
    drawn = stream()
    monkeypatch.setattr(sys, "stderr", drawn)
    monkeypatch.setattr(_progress, "SECONDS_BEFORE_BAR", 0.0)
    SeldonianClassifier(
        constraints="ACC >= 0.6",
        module__hidden=(),
        random_state=0,
        max_epochs=3,
        verbose=1,
        batch_size=100,
    ).fit(*blobs)
    if stream is Terminal:
        assert "Epoch 3/3" in drawn.getvalue()
        assert "10/15" in drawn.getvalue()
    else:
        assert drawn.getvalue() == ""


@pytest.mark.parametrize("verbose", [0, 1])
def test_long_epochs_print_their_progress(blobs, groups, capsys, caplog, monkeypatch, verbose):
    monkeypatch.setattr(_progress, "SECONDS_BETWEEN_LINES", 0.0)
    constraints = ["PR <= 0.99", "ACC >= 0.7"]
    with caplog.at_level("INFO", logger="sklearn_seldonian"):
        _, lines = lines_of_fit(
            *(blobs, groups, capsys, constraints), verbose=verbose, max_epochs=1, batch_size=25
        )
    said = [line for line in caplog.messages if line.startswith("Epoch 1 of 1, batch")]
    assert said[0] == "Epoch 1 of 1, batch 1 of 10"
    assert re.fullmatch(
        r"Epoch 1 of 1, batch 10 of 10: loss \d\.\d{4}, "
        r"predicted bound -?\d\.\d{4} (<|>=) 0\.7 for ACC >= 0\.7",
        said[-1],
    )
    printed = "\n".join(lines)
    assert all(wrapped(line) in printed for line in said) == bool(verbose)
    assert printed.count("Epoch 1 of 1, batch") == verbose * len(said)
    assert all(len(line) <= 80 for line in lines)


def test_short_epochs_print_no_progress(blobs, groups, capsys, caplog):
    with caplog.at_level("INFO", logger="sklearn_seldonian"):
        lines_of_fit(blobs, groups, capsys, "ACC >= 0.7", verbose=1)
    assert not any("batch" in message for message in caplog.messages)
