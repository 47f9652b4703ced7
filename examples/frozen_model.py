"""
How can a model that exists get a certified decision?
=====================================================

A university has a model already, and may not change it. What it can choose is where to draw the
line between yes and no. Here a model of students' grades stays as it is, and only its threshold is
chosen so that a limit on false positives holds, with a certificate from rows that neither the
model nor the choice has seen.
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
# The model there is
# ------------------
# It was fitted to the first 10,000 students. On 6,000 others its false positives are too many.

gpa = load_gpa(as_frame=True)
X, y = gpa.data, gpa.target
existing = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:10_000], y[:10_000])
constraints = ["FPR <= 0.25", "TPR >= 0.4"]
print(certify(existing, X[10_000:16_000], y[10_000:16_000], constraints).explain())

# %%
# Its decision, chosen and tested
# -------------------------------
# Rows that the model was fitted to would flatter it, so others choose the threshold and test it.

fresh = slice(16_000, 28_000)
model = SeldonianMetaClassifier(FrozenEstimator(existing), constraints, random_state=0)
model.fit(X[fresh], y[fresh])
print(model.certificate_.explain())
CertificateDisplay.from_estimator(model).figure_.savefig("frozen_model.png", dpi=150)

# %%
# What has changed
# ----------------
# The probabilities keep their order: only the line has moved.

probability = existing.predict_proba(X[28_000:])[:, 1]
positive = model.predict(X[28_000:]) == 1
print(f"the model there is says yes from 0.500 on, to {(probability > 0.5).mean():.3f}")
print(f"the certified one from {probability[positive].min():.3f} on, to {positive.mean():.3f}")

# %%
# Fewer students are told yes, and of those who would not have succeeded at most a quarter.
