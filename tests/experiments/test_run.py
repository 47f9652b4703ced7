import io
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from torch.nn import CrossEntropyLoss

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.experiments import FairlearnClassifier, load_results, run_experiment
from sklearn_seldonian.measures import RowMeasure

GAP = "abs(PR | [M] - PR | [F]) <= 0.3"
FEW = {"sample_sizes": [40, 80], "n_trials": 3}


def estimators():
    return {
        "logistic": LogisticRegression(),
        "random": DummyClassifier(strategy="uniform"),
    }


class Interrupting(CrossEntropyLoss):
    """Raises KeyboardInterrupt in the middle of training."""

    def forward(self, *args):
        raise KeyboardInterrupt


def same(one, other):
    """Whether two tables agree in everything except the times of the fits."""
    return one.drop(columns="seconds").equals(other.drop(columns="seconds"))


def files(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder, "trials").iterdir()}


def test_a_table_of_all_trials(blobs, groups):
    seldonian = SeldonianClassifier(max_epochs=2, batch_size=20)
    three = {"ours": seldonian, **estimators()}
    table = run_experiment(three, *blobs, GAP, sensitive_features=groups, **FEW)
    found = table[["estimator", "sample_size", "trial"]].to_numpy().tolist()
    assert found == [[name, m, i] for name in three for m in (40, 80) for i in range(3)]
    assert set(table["error"]) == {""}
    assert table.columns.tolist()[-3:] == ["g_0", "g_soft_0", "accuracy"]
    others = table[table["estimator"] != "ours"]
    assert others["solution_found"].all()
    assert others["accuracy"].between(0.4, 0.95).all()
    ours = table[table["estimator"] == "ours"]
    assert (ours["accuracy"].notna() == ours["solution_found"]).all()
    assert seldonian.constraints == ()


@pytest.mark.parametrize("change", [{"random_state": 1}, {"sample_sizes": [41, 80]}])
def test_trials_repeat_and_follow_the_seed(blobs, change):
    first, again = (run_experiment(estimators(), *blobs, "PR <= 0.9", **FEW) for _ in range(2))
    other = run_experiment(estimators(), *blobs, "PR <= 0.9", **{**FEW, **change})
    assert same(first, again)
    assert not first["g_0"].equals(other["g_0"])


def test_a_trial_does_not_depend_on_which_others_are_run(blobs):
    both = run_experiment(estimators(), *blobs, "PR <= 0.9", **FEW)
    alone = run_experiment(
        {"random": estimators()["random"]}, *blobs, "PR <= 0.9", sample_sizes=[80], n_trials=2
    )
    part = both[(both["estimator"] == "random") & (both["sample_size"] == 80)].head(2)
    assert same(part.reset_index(drop=True), alone)


class TestResults:
    def run(self, blobs, folder, **change):
        asked = {"estimators": estimators(), "constraints": "PR <= 0.9", **FEW, **change}
        X, y = blobs
        return run_experiment(X=X, y=y, results=folder, **asked)

    def test_what_is_written_is_what_is_returned(self, blobs, tmp_path):
        table = self.run(blobs, tmp_path / "new" / "folder")
        assert load_results(tmp_path / "new" / "folder").equals(table)
        assert same(self.run(blobs, None), table)

    def test_finished_trials_are_not_run_again(self, blobs, tmp_path):
        table = self.run(blobs, tmp_path)
        before = files(tmp_path)
        assert self.run(blobs, tmp_path).equals(table)
        assert files(tmp_path) == before
        lost = sorted(before)[4]
        lost.unlink()
        assert same(self.run(blobs, tmp_path), table)
        after = files(tmp_path)
        assert [path for path in before if after[path] != before[path]] == [lost]

    def test_more_sizes_trials_and_estimators(self, blobs, tmp_path):
        self.run(blobs, tmp_path)
        before = files(tmp_path)
        more = {**estimators(), "always": DummyClassifier(strategy="constant", constant=1)}
        change = {"estimators": more, "sample_sizes": [40, 60, 80], "n_trials": 4}
        table = self.run(blobs, tmp_path, **change)
        assert same(table, self.run(blobs, None, **change))
        after = files(tmp_path)
        assert len(after) == 3 * 3 * 4
        assert before.items() <= after.items()

    def test_only_the_requested_trials_are_returned(self, blobs, tmp_path):
        whole = self.run(blobs, tmp_path)
        part = self.run(blobs, tmp_path, sample_sizes=[80], n_trials=1)
        assert len(part) == 2
        assert load_results(tmp_path).equals(whole)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"constraints": "PR <= 0.8"}, "constraints was"),
            ({"random_state": 1}, "random_state was 0, now it is 1"),
            ({"protocol": "holdout"}, "protocol was 'resample', now it is 'holdout'"),
            ({"metrics": ["accuracy", "f1"]}, "metrics was"),
            ({"pos_label": 0}, "pos_label was None, now it is 0"),
            ({"sensitive_features": np.zeros(1000)}, "fingerprint of sensitive_features was"),
            ({"estimators": {"logistic": LogisticRegression(C=2.0)}}, "C of 'logistic' was 1.0"),
            ({"estimators": {"logistic": DummyClassifier()}}, "class of 'logistic' was Logistic"),
        ],
    )
    @pytest.mark.thinned(3)
    def test_other_settings_are_refused(self, blobs, tmp_path, change, message):
        self.run(blobs, tmp_path)
        before = files(tmp_path)
        with pytest.raises(ValueError, match=message):
            self.run(blobs, tmp_path, **change)
        assert files(tmp_path) == before

    @pytest.mark.parametrize("name", ["table.csv", "table.parquet", "there.txt"])
    def test_a_file_is_refused(self, blobs, tmp_path, name):
        (tmp_path / "there.txt").write_text("something")
        with pytest.raises(
            ValueError, match=f"results is the file '.*{name}', and it must be a folder"
        ):
            self.run(blobs, tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == ["there.txt"]

    @pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline])
    def test_an_interrupt_ends_the_experiment_and_keeps_what_is_done(self, blobs, tmp_path, wrap):
        ours = SeldonianClassifier(max_epochs=2, criterion=Interrupting)
        models = {"logistic": LogisticRegression(), "ours": wrap(ours)}
        with pytest.raises(KeyboardInterrupt):
            self.run(blobs, tmp_path, estimators=models)
        kept = load_results(tmp_path)
        assert kept["estimator"].tolist() == ["logistic"]

    def test_another_experiments_trials_are_not_adopted(self, blobs, tmp_path):
        X, y = blobs
        run_experiment(estimators(), X, y, "PR <= 0.9", results=tmp_path, **FEW)
        (tmp_path / "experiment.json").unlink()
        with pytest.raises(ValueError, match=r"has trials, but no experiment\.json"):
            run_experiment(estimators(), X, 1 - y, "PR <= 0.1", results=tmp_path, **FEW)

    @pytest.mark.parametrize("error", [TypeError, AttributeError, RuntimeError, pickle.PickleError])
    def test_parameters_that_cannot_be_pickled(self, blobs, tmp_path, error):
        class Unpicklable:
            def __reduce__(self):
                raise error("no")

        class Careless(DummyClassifier):
            def __init__(self, lock=None):
                super().__init__()
                self.lock = lock

            def __sklearn_clone__(self):
                return Careless(self.lock)

        model = {"careless": Careless(Unpicklable())}
        for _ in range(2):
            table = run_experiment(model, *blobs, "PR <= 0.9", results=tmp_path, **FEW)
            assert len(table) == 6

    @pytest.mark.parametrize("text", ["\ud800", "\0 \x1b[2J", "x" * 200_000, '\r\n, "'])
    def test_errors_of_all_texts_are_read_back(self, blobs, tmp_path, text):
        class Failing(DummyClassifier):
            def fit(self, X, y):
                raise ValueError(text)

        with pytest.warns(UserWarning, match="ended in an error"):
            table = run_experiment({"a": Failing()}, *blobs, "PR <= 0.9", results=tmp_path, **FEW)
        assert load_results(tmp_path).equals(table)
        assert table["error"].str.startswith("ValueError").all()

    def test_seeds_that_every_trial_sets_are_no_settings(self, blobs, tmp_path):
        one, other = (
            {"random": DummyClassifier(strategy="uniform", random_state=state)}
            for state in (0, np.random.RandomState(1))
        )
        table = self.run(blobs, tmp_path, estimators=one)
        assert self.run(blobs, tmp_path, estimators=other).equals(table)

    @pytest.mark.parametrize("changed", [0, 1])
    def test_other_data_are_refused(self, blobs, tmp_path, changed):
        self.run(blobs, tmp_path)
        others = [part.copy() for part in blobs]
        others[changed][7] = 1 - others[changed][7]
        with pytest.raises(ValueError, match=f"fingerprint of {'Xy'[changed]} was"):
            self.run(others, tmp_path)

    def test_settings_inside_objects_count(self, blobs, groups, tmp_path):
        def run(limit):
            parity = DemographicParity(difference_bound=limit)
            gradient = ExponentiatedGradient(LogisticRegression(), parity, max_iter=2)
            return self.run(
                blobs,
                tmp_path,
                estimators={"peer": FairlearnClassifier(gradient)},
                sensitive_features=groups[["M", "F"]],
                n_trials=1,
            )

        table = run(0.1)
        assert run(0.1).equals(table)
        with pytest.raises(ValueError, match="estimator__constraints of 'peer' was"):
            run(0.2)


KILLED = """
from test_run import long_experiment
long_experiment({folder!r})
"""


def long_experiment(folder):
    """32 quick trials, which take long enough to be killed in between."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=5000)
    X = pd.DataFrame(rng.normal(size=(5000, 5)) + y[:, None], columns=list("abcde"))
    groups = pd.DataFrame({"race": rng.choice(["A", "B"], size=5000)})
    models = {
        "logistic": LogisticRegression(),
        "random": DummyClassifier(strategy="uniform"),
    }
    return run_experiment(
        models,
        X,
        y,
        "max(PR, by=race) <= 0.5",
        sensitive_features=groups,
        sample_sizes=[100, 1000],
        n_trials=8,
        results=folder,
    )


@pytest.mark.slow
def test_an_experiment_that_is_killed_goes_on(tmp_path):
    folder = tmp_path / "killed"
    code = KILLED.format(folder=str(folder))
    places = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": places}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment)
    while len(list(folder.glob("trials/*.csv"))) < 5 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = load_results(folder)
    before = files(folder)
    assert 5 <= len(kept) < 32

    resumed = long_experiment(folder)
    assert len(resumed) == 32
    assert same(resumed, long_experiment(tmp_path / "whole"))
    after = files(folder)
    assert all(after[path] == stamp for path, stamp in before.items() if path.suffix == ".csv")
    assert len(list(folder.glob("trials/*.csv"))) == 32


def spread(model, X, y):
    return X[:, 0].std()


class TestMetrics:
    @pytest.mark.parametrize(
        ("metrics", "names"),
        [
            (None, ["accuracy"]),
            ("f1", ["f1"]),
            (["f1", spread], ["f1", "spread"]),
            ({"area": "roc_auc", "n": spread}, ["area", "n"]),
        ],
    )
    def test_have_columns_of_their_names(self, blobs, metrics, names):
        one = {"logistic": LogisticRegression()}
        table = run_experiment(one, *blobs, "PR <= 0.9", metrics=metrics, **FEW)
        assert table.columns.tolist()[9:] == names
        assert table[names].notna().all(axis=None)

    @pytest.mark.parametrize("name", ["failure", "g_0", "g_soft_11"])
    def test_do_not_hide_other_columns(self, blobs, name):
        with pytest.raises(ValueError, match=f"A metric is named '{name}'"):
            run_experiment(estimators(), *blobs, "PR <= 0.9", metrics={name: "accuracy"}, **FEW)


def test_measures_of_the_user(blobs):
    measure = RowMeasure("Half", lambda labels, decisions, _: np.full(len(labels), 0.5), (0, 1))
    table = run_experiment(estimators(), *blobs, "Half <= 0.4", measures=[measure], **FEW)
    assert table["g_0"].to_numpy() == pytest.approx(0.1)


def test_errors_are_counted_in_a_warning(blobs):
    broken = {"broken": LogisticRegression(C=-1.0), **estimators()}
    with pytest.warns(UserWarning, match="6 of 18 trials ended in an error.*InvalidParameter"):
        table = run_experiment(broken, *blobs, "PR <= 0.9", **FEW)
    failed = table["estimator"] == "broken"
    assert (table["error"] != "").equals(failed)
    assert not table.loc[failed, "solution_found"].any()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_metric_that_an_estimator_cannot_have_saves_it_from_nothing(blobs):
    metrics = ["accuracy", "neg_log_loss"]
    with pytest.warns(
        UserWarning, match="unless only a metric.*First error: neg_log_loss: Attribute"
    ):
        table = run_experiment(
            {"peer": RidgeClassifier()}, *blobs, "ACC >= 0.99", metrics=metrics, **FEW
        )
    assert table[["solution_found", "failure"]].all(axis=None)
    assert table["accuracy"].notna().all()
    assert table["neg_log_loss"].isna().all()


@pytest.mark.parametrize("verbose", [0, 1])
def test_a_bar_on_terminals(blobs, monkeypatch, verbose):
    drawn = Terminal()
    monkeypatch.setattr(sys, "stderr", drawn)
    run_experiment(estimators(), *blobs, "PR <= 0.9", verbose=verbose, **FEW)
    assert ("Trials: 100%" in drawn.getvalue() and "12/12" in drawn.getvalue()) is bool(verbose)


@pytest.mark.parametrize("verbose", [0, 1])
def test_quiet_where_there_is_no_terminal(blobs, capsys, verbose):
    run_experiment(estimators(), *blobs, "PR <= 0.9", verbose=verbose, **FEW)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimators": {}}, "must map at least one name to an estimator"),
        ({"estimators": [LogisticRegression()]}, "must map at least one name to an estimator"),
        (
            {"estimators": {"a": LogisticRegression(), "b": LinearRegression()}},
            "both classifiers and regressors: give classifiers only, or regressors only",
        ),
        (
            {"estimators": {"a": ExponentiatedGradient(LogisticRegression(), None)}},
            "These estimators are neither classifiers nor regressors: 'a'. Wrap",
        ),
        ({"protocol": "bootstrap"}, "protocol must be one of 'resample', 'holdout', got 'boot"),
        (
            {"protocol": "holdout", "sample_sizes": [10, 1000]},
            "must be below the number of rows, which is 1000",
        ),
        ({"sample_sizes": []}, r"sample_sizes must be positive whole numbers, got \[\]"),
        ({"sample_sizes": [10, 0.5]}, "sample_sizes must be positive whole numbers"),
        ({"sample_sizes": 100}, "sample_sizes must be positive whole numbers, got 100"),
        ({"sample_sizes": "100"}, "sample_sizes must be positive whole numbers, got '100'"),
        ({"sample_sizes": ["100"]}, "sample_sizes must be positive whole numbers"),
        ({"sample_sizes": [[10], [20]]}, "sample_sizes must be positive whole numbers"),
        ({"n_trials": None}, r"n_trials must be positive whole numbers, got \[None\]"),
        ({"estimators": {1: LogisticRegression()}}, r"estimators must be texts, got \[1\]"),
        ({"n_trials": 0}, r"n_trials must be positive whole numbers, got \[0\]"),
        ({"random_state": None}, "random_state must be a whole number from 0 on, .* got None"),
        ({"random_state": -1}, "random_state must be a whole number from 0 on, .* got -1"),
        ({"metrics": "exactness"}, "exactness"),
        ({"constraints": "PR <= "}, "PR <="),
        ({"constraints": "PR | [Z] <= 0.5"}, "Unknown column 'Z'"),
        ({"sensitive_features": np.zeros(3)}, "inconsistent numbers of samples"),
        ({"pos_label": 7}, "pos_label=7 is not a class"),
    ],
)
def test_bad_input_fails_at_once(blobs, change, message):
    X, y = blobs
    asked = {"estimators": estimators(), "constraints": "PR <= 0.9", **FEW, **change}
    with pytest.raises(ValueError, match=message):
        run_experiment(X=X, y=y, **asked)
