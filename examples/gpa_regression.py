"""
Can students' grades be predicted without overrating either gender?
===================================================================

A model predicts a student's later grade point average from nine entrance exam scores. The
constraint: the mean errors for men and for women differ by at most 0.1. A linear regression without
the constraint clearly violates it, because it predicts lower grades for women than they get.
"""

import matplotlib
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianRegressor
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")
gpa = load_gpa(target="gpa", as_frame=True)
women = gpa.sensitive_features["F"]
print(gpa.target.groupby(women).agg(["size", "mean"]).rename({0: "men", 1: "women"}))

# %%
# State the range of the numbers
# ------------------------------
# Grades are from 0 to 4 by definition, and predictions are clipped to that range. So errors are
# bounded, and the certificate holds for any number of rows.

model = SeldonianRegressor(
    constraints="abs((Mean_Error|[M]) - (Mean_Error|[F])) <= 0.1",
    delta=0.05,
    prediction_range=(0, 4),
    target_range=(0, 4),
    preprocessor=StandardScaler(),
    max_epochs=5,
    random_state=0,
)
model.fit(gpa.data, gpa.target, sensitive_features=gpa.sensitive_features)
print(model.certificate_.explain())

# %%
# Compared with linear regression
# -------------------------------
# Both models are compared on the safety rows, which neither was fitted to.

safety = gpa.data.index[model.safety_indices_]
X, y, groups = (part.loc[safety] for part in (gpa.data, gpa.target, gpa.sensitive_features))
plain = LinearRegression().fit(gpa.data.drop(index=safety), gpa.target.drop(index=safety))
print("                        squared error  mean error of M     of F")
for name, estimator in {"linear regression": plain, "with the constraint": model}.items():
    errors = estimator.predict(X) - y
    of_men, of_women = (errors[groups[column] == 1].mean() for column in ("M", "F"))
    print(f"{name:22}  {(errors**2).mean():13.3f}  {of_men:15.3f}  {of_women:7.3f}")

# %%
# The course of training
# ----------------------

display = TrainingDisplay.from_estimator(model)
display.figure_.savefig("gpa_regression.png")

# %%
# The constraint costs accuracy: the exam scores favour men, and the constraint forbids this.
