"""Can students' grades be predicted without overrating either gender?

Predicts from nine entrance exam scores a student's later grade point average, under the
constraint that the mean errors for men and for women differ by at most 0.1. A plain
regression misses that by far: it takes women for worse students than they turn out to be.
Grades are from 0 to 4 by definition, so predictions are clipped to that range, errors are
bounded, and the certificate holds for any number of rows.

    python examples/gpa_regression.py
"""

import argparse

import matplotlib
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianRegressor
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")


def main(arguments):
    gpa = load_gpa(target="gpa", as_frame=True)
    model = SeldonianRegressor(
        constraints=f"abs((Mean_Error|[M]) - (Mean_Error|[F])) <= {arguments.limit}",
        delta=0.05,
        prediction_range=(0, 4),
        target_range=(0, 4),
        preprocessor=StandardScaler(),
        max_epochs=arguments.epochs,
        random_state=arguments.seed,
        verbose=1,
    )
    model.fit(gpa.data, gpa.target, sensitive_features=gpa.sensitive_features)
    print(model.certificate_.explain())

    safety = gpa.data.index[model.safety_indices_]
    X, y, groups = (part.loc[safety] for part in (gpa.data, gpa.target, gpa.sensitive_features))
    plain = LinearRegression().fit(gpa.data.drop(index=safety), gpa.target.drop(index=safety))
    print("\nOn the safety rows      squared error  mean error of M     of F")
    for name, estimator in {"linear regression": plain, "with the constraint": model}.items():
        errors = estimator.predict(X) - y
        of_men, of_women = (errors[groups[column] == 1].mean() for column in ("M", "F"))
        print(f"{name:22}  {(errors**2).mean():13.3f}  {of_men:15.3f}  {of_women:7.3f}")
    TrainingDisplay.from_estimator(model).plot().figure_.savefig(arguments.picture)
    print(f"Picture of the run: {arguments.picture}")
    print("Treating both alike costs accuracy: exams alone favour men, and the model may not.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", default="gpa_regression.png", help="file to draw to")
    main(parser.parse_args())
