"""
Does training in several processes give the same certificate?
=============================================================

This example trains one classifier on the GPA data in all processes that `torchrun` starts, on one
machine or on many. Each process uses a device of its own::

    torchrun --nproc-per-node 2 examples/distributed.py

``python examples/distributed.py`` starts one process. The model and the certificate are the same,
up to rounding.
"""

import os

import matplotlib
from sklearn.preprocessing import StandardScaler

from sklearn_seldonian import SeldonianClassifier
from sklearn_seldonian.datasets import load_gpa
from sklearn_seldonian.plotting import TrainingDisplay

matplotlib.use("Agg")
is_first = os.environ.get("RANK", "0") == "0"

# %%
# Every process has all rows
# --------------------------
# The rows of every batch are divided among the processes. If the data do not fit into the memory of
# each process, use a memory-mapped array.

gpa = load_gpa(as_frame=True)

# %%
# One parameter of the constructor
# --------------------------------
# Each process calls `fit`. The first one prints, chooses the epoch and runs the only safety test.
# The others get the result, so that all have the same model and the same certificate. If one
# process fails, all of them end with an error.

model = SeldonianClassifier(
    constraints="abs(PR | [M] - PR | [F]) <= 0.2",
    preprocessor=StandardScaler(),
    batch_size=512,
    distributed=True,
    random_state=0,
    verbose=1,
)
model.fit(gpa.data, gpa.target, gpa.sensitive_features)

# %%
# The certificate
# ---------------

if is_first:
    print(f"{os.environ.get('WORLD_SIZE', '1')} process(es)")
    print(model.certificate_.explain())

# %%
# The course of training
# ----------------------

if is_first:
    display = TrainingDisplay.from_estimator(model)
    display.figure_.savefig("distributed.png")

# %%
# Counts of decisions are added up over the processes before the multipliers change, and gradients
# before the weights change. So the curves do not depend on the number of processes.
