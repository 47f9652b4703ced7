"""
When does a certified model stop satisfying its constraint?
===========================================================

A certificate is about the population that its rows came from. Afterwards the world may change. Here
a model of students' grades is certified and then used for fifteen months. From the seventh month
on, the exams are scored differently, and men get lower scores. We look at a monitor every week. It
tells us when it is proved that a constraint no longer holds. An ordinary test that is repeated so
often raises a false alarm sooner or later. A false alarm of this monitor has a probability of at
most 5%, for each constraint and over all fifteen months together.
"""

import matplotlib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import certify
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.monitoring import MonitorDisplay, SafetyMonitor

matplotlib.use("Agg")

# %%
# The model and its certificate
# -----------------------------
# Columns M and F are 1 for men and for women. The model sees neither of them.

gpa = load_gpa(as_frame=True)
X, y, sex = gpa.data, gpa.target, gpa.sensitive_features
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[:5_000], y[:5_000])
constraints = ["abs(PR | [M] - PR | [F]) <= 0.2", "ACC >= 0.55"]
tested = slice(5_000, 13_000)
certificate = certify(
    model, X[tested], y[tested], constraints, sensitive_features=sex[tested], random_state=0
)
print(certificate.verdict)

# %%
# Fifteen months
# --------------
# The monitor takes constraints, deltas and classes from the certificate. Each quarter is a window
# of its own, so that good rows of the past do not hide a change. The five windows share delta. Each
# week has 500 students. Their grades are known two weeks later, and count for the accuracy then.
# The gap between men and women needs no grades, and counts the students at once.

monitor = SafetyMonitor.from_certificate(certificate, windows=5)
for week in range(60):
    if week in (12, 24, 36, 48):
        monitor.restart(f"quarter {week // 12 + 1}")
    students = slice(13_000 + 500 * week, 13_500 + 500 * week)
    scores = X[students].copy()
    if week >= 24:
        scores.loc[sex[students]["M"] == 1] -= 40
    decisions = model.predict(scores)
    monitor.update(decisions, None, sex[students], row_ids=scores.index)
    if week >= 2:
        graded = slice(students.start - 1_000, students.stop - 1_000)
        monitor.add_labels(X[graded].index, y[graded])

# %%
# What is proved
# --------------
# The scores change with the third quarter. In that quarter the gap is proved to be above 0.2. A
# constraint that is certified for a quarter is proved by the rows of that quarter. The constraint
# on the accuracy is certified in every quarter.

shown = ["window", "constraint", "n_rows", "estimate", "violated_at", "certified"]
print(monitor.to_frame()[shown].to_string(index=False))
print(monitor.explain())
MonitorDisplay.from_monitor(monitor).figure_.savefig("monitoring.png", dpi=150)

# %%
# The alarm comes when the rows prove it. Looking often does not cause one.
