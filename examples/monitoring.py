"""
When does a certified model stop satisfying its constraint?
===========================================================

A certificate is about the population that its rows came from. This population may change later.
Here a model of students' grades is certified and then used for fifteen months. From the seventh
month on, the exams are scored differently, and men get lower scores. A monitor is updated every
week. It shows when it is proved that a constraint no longer holds. An ordinary test that is
repeated so often eventually raises a false alarm. The probability that this monitor ever raises a
false alarm is at most 5%, for each constraint and over all fifteen months together.
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
# Columns M and F are 1 for men and for women. The model does not get these columns.

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
# of its own, so that earlier rows do not hide a change. Delta is divided among the five windows.
# Each week has 500 students. Their grades are known two weeks later, and are then counted for the
# accuracy. The gap between men and women does not need grades, so it counts the students at once.

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
# The scores change at the start of the third quarter. In that quarter the gap is proved to be above
# 0.2. A constraint that is certified for a quarter is proved by the rows of that quarter. The
# constraint on the accuracy is certified in every quarter.

shown = ["window", "constraint", "n_rows", "estimate", "violated_at", "certified"]
print(monitor.to_frame()[shown].to_string(index=False))
print(monitor.explain())
MonitorDisplay.from_monitor(monitor).figure_.savefig("monitoring.png", dpi=150)

# %%
# The monitor raises an alarm when the rows prove a violation. Frequent updates do not cause false
# alarms.
