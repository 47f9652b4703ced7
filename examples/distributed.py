"""
Does a model that several processes train get the same certificate?
===================================================================

Trains one classifier of the GPA data in all processes that `torchrun` starts, on one machine or
on many, each with a device of its own::

    torchrun --nproc-per-node 2 examples/distributed.py

Started by ``python examples/distributed.py`` it is one process. Model and certificate are the
same, up to rounding.
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
# They share out the rows of every batch. Rows that do not fit into the memory of each process can
# be a memory-mapped array.

gpa = load_gpa(as_frame=True)

# %%
# One word in the constructor
# ---------------------------
# Each process calls `fit`. The first one prints, chooses among the epochs and runs the one safety
# test; the others are told, and end with the same model and the same certificate. A process that
# fails ends the run with an error in all of them.

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
# What was certified
# ------------------

if is_first:
    print(f"{os.environ.get('WORLD_SIZE', '1')} process(es)")
    print(model.certificate_.explain())

# %%
# How training got there
# ----------------------

if is_first:
    display = TrainingDisplay.from_estimator(model)
    display.figure_.savefig("distributed.png")

# %%
# Counts of decisions are added up over the processes before the multipliers move, and gradients
# before the weights do. So the curves are those of one process, whatever their number.
