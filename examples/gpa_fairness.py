"""Can students' success be predicted without favouring either gender?

Predicts from nine entrance exam scores whether a student's later grade point average is
at least 3.0, under the constraint that the shares of men and women predicted to succeed
differ by at most 0.1. The scaler goes inside the estimator, so that it is fitted on
candidate rows only and what is certified is the whole model.

    python examples/gpa_fairness.py
"""

import argparse

import matplotlib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")


def parity_gap(predictions, groups):
    """Difference of the shares of men and women predicted to succeed."""
    return abs(predictions[groups["M"] == 1].mean() - predictions[groups["F"] == 1].mean())


def main(arguments):
    gpa = load_gpa(as_frame=True)
    constraint = f"abs(PR | [M] - PR | [F]) <= {arguments.limit}"
    model = SeldonianClassifier(
        constraints=constraint,
        delta=0.05,
        preprocessor=StandardScaler(),
        max_epochs=arguments.epochs,
        random_state=arguments.seed,
        verbose=1,
    )
    model.fit(gpa.data, gpa.target, sensitive_features=gpa.sensitive_features)
    print(model.certificate_.explain())

    safety = gpa.data.index[model.safety_indices_]
    X, y, groups = (part.loc[safety] for part in (gpa.data, gpa.target, gpa.sensitive_features))
    plain = make_pipeline(StandardScaler(), LogisticRegression())
    plain.fit(gpa.data.drop(index=safety), gpa.target.drop(index=safety))
    print("\nOn the safety rows      accuracy  gap between M and F")
    names = {"logistic regression": plain, "with the constraint": model}
    for name, estimator in names.items():
        gap = parity_gap(estimator.predict(X), groups)
        print(f"{name:22}  {estimator.score(X, y):8.3f}  {gap:.3f}")
    TrainingDisplay.from_estimator(model).plot().figure_.savefig(arguments.picture)
    print(f"Picture of the run: {arguments.picture}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", default="gpa.png", help="file to draw to")
    main(parser.parse_args())
