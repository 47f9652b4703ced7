"""
What can be certified when the sex of most people is not recorded?
==================================================================

This is the predictor of grades of the GPA example, but the sex of only 30% of the students is
known. All students are used for training and for the test of accuracy. Parity is tested on the
students whose sex is known. In tutorial N of the Seldonian Engine, these students are a separate
data set.
"""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.modules import MLP

matplotlib.use("Agg")
gpa = load_gpa(as_frame=True)
sex = pd.Series(np.where(gpa.sensitive_features["M"] == 1, "M", "F"), name="sex")
constraints = ["ACC >= 0.58", 'abs(PR | [sex == "F"] - PR | [sex == "M"]) <= 0.1']

# %%
# With or without the students whose sex is not known
# ---------------------------------------------------
# ``missing="exclude"`` accepts rows without a value. They are used for training and count for the
# accuracy. A condition on the column is false for them: ``sex == "F"`` as well as ``sex != "F"``.
# Without this setting they would have to be left out.

shares = [0.15, 0.3, 1.0]
drawn = np.random.default_rng(0).random(len(sex))
rows = {"all students": [], "only those whose sex is known": []}
for share in shares:
    known = drawn < share
    for way, found in rows.items():
        used = np.ones(len(sex), dtype=bool) if way == "all students" else known
        model = SeldonianClassifier(
            MLP,
            constraints,
            module__hidden=(),
            missing="exclude",
            preprocessor=StandardScaler(),
            max_epochs=5,
            random_state=0,
        )
        groups = sex.where(known)[used]
        model.fit(gpa.data[used], gpa.target[used], sensitive_features=groups)
        found.append(model.certificate_)
    if share == 0.3:
        print(rows["all students"][-1].explain())

# %%
# The certificate says in how many rows the sex is not recorded, and what follows from this. The gap
# is that of the students whose sex is recorded. It is also the gap of all students if two things
# are true: among women, decisions do not depend on whether the sex is recorded, and the same is
# true among men.
#
# The benefit of rows without a recorded sex
# ------------------------------------------

limits = [0.58, 0.1]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for ax, limit, position, name in zip(axes, limits, (0, 1), ("accuracy", "gap"), strict=True):
    for look, (way, found) in zip(("o-", "s--"), rows.items(), strict=True):
        bounds = [certificate.results[position].bound for certificate in found]
        ax.plot(shares, bounds, look, label=way)
    ax.axhline(limit, color="black", linewidth=0.8, linestyle=":", label="limit")
    ax.set(xlabel="share of students whose sex is known", ylabel=f"bound on the {name}")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False, loc="center")
figure.savefig("unknown_groups.png")
for position, name in enumerate(("accuracy", "gap")):
    for way, found in rows.items():
        bounds = "  ".join(f"{certificate.results[position].bound:.3f}" for certificate in found)
        print(f"{name:8}  {way:30}  {bounds}")

# %%
# All models are certified. With the students whose sex is not known, the certified accuracy is at
# least as high, because there are more rows for training and for the test. The gap is tested on the
# same rows in both cases.
