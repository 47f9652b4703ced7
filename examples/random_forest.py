"""
What may be promised of a random forest?
========================================

The forest is trained by somebody else, without a thought of constraints. ``certify`` needs only
its ``predict``, and rows that it has not seen: here, students' success is predicted from their
entrance exams, and the question is how often the forest is wrong and whether it treats men and
women alike.
"""

import matplotlib
from sklearn.ensemble import RandomForestClassifier

from sklearn_seldonian import certify, required_safety_rows
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.plotting import CertificateDisplay

matplotlib.use("Agg")
gpa = load_gpa(as_frame=True)
X, y, groups = gpa.data, gpa.target, gpa.sensitive_features

# %%
# The forest
# ----------

forest = RandomForestClassifier(n_estimators=50, min_samples_leaf=20, random_state=0)
forest.fit(X[:10_000], y[:10_000])

# %%
# How many rows will it take?
# ---------------------------
# Asked before any are looked at, from what is expected of the forest. Rows that have been used for
# one test are used up: whoever tests again until something passes is searching.

constraints = [
    "ACC >= 0.6",
    "abs(PR | [M] - PR | [F]) <= 0.1",
    "max(FPR | [M], FPR | [F]) <= 0.3",
]
shares = {"PR | [M]": 0.5, "PR | [F]": 0.5}
print(required_safety_rows(constraints[0], {"ACC": 0.63}))
print(required_safety_rows(constraints[1], {"PR | [M]": 0.35, "PR | [F]": 0.4}, shares))

# %%
# The test
# --------
# All constraints at once; each is certified, or not, with a probability of 0.05 of being wrong.

rows = slice(10_000, 20_000)
certificate = certify(forest, X[rows], y[rows], constraints, sensitive_features=groups[rows])
print(certificate.explain())

# %%
# The certificate
# ---------------

display = CertificateDisplay.from_certificate(certificate)
display.figure_.savefig("random_forest.png")

# %%
# The forest is right often enough and wrongly admits few of either gender, both certified; that
# it predicts success for men and women at rates within 0.1 is not, and more rows would not help.
