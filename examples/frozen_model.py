"""
How can the decisions of an existing model be certified?
========================================================

A university has a model and may not change it. It can only choose the decision threshold between
yes and no. Here a model of students' grades is not changed. Its threshold is chosen under a limit
on false positives. The safety test uses rows that were used neither for the model nor for the
choice of the threshold.
"""

import matplotlib
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianMetaClassifier, certify
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.plotting import CertificateDisplay

matplotlib.use("Agg")

# %%
# The existing model
# ------------------
# It is fitted to the first 10,000 students. On 6,000 others it has too many false positives.

gpa = load_gpa(as_frame=True)
X, y = gpa.data, gpa.target
existing = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:10_000], y[:10_000])
constraints = ["FPR <= 0.25", "TPR >= 0.4"]
print(certify(existing, X[10_000:16_000], y[10_000:16_000], constraints).explain())

# %%
# Choosing and testing the threshold
# ----------------------------------
# The model is more accurate on the rows that it was fitted to than on new ones. So other rows are
# used to choose the threshold and to test it.

fresh = slice(16_000, 28_000)
model = SeldonianMetaClassifier(FrozenEstimator(existing), constraints, random_state=0)
model.fit(X[fresh], y[fresh])
print(model.certificate_.explain())
CertificateDisplay.from_estimator(model).figure_.savefig("frozen_model.png", dpi=150)

# %%
# What has changed
# ----------------
# The probabilities have the same order. Only the threshold is different.

probability = existing.predict_proba(X[28_000:])[:, 1]
positive = model.predict(X[28_000:]) == 1
print(f"existing model: yes above 0.500, for a share of {(probability > 0.5).mean():.3f}")
lowest = probability[positive].min()
print(f"certified model: yes from {lowest:.3f}, for a share of {positive.mean():.3f}")

# %%
# Fewer students get a yes. Of the students who would not have succeeded, at most a quarter get one.
