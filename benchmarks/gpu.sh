#!/bin/sh
# Do the cost benchmarks hold on a CUDA device too? Says so and stops where there is none.
#
#     benchmarks/gpu.sh [FOLDER FOR CSV FILES]
#
# PYTHON is the interpreter (.venv's where there is one), DATA the folder with MNIST (../shared/data).
set -eu
cd "$(dirname "$0")/.."
[ -x .venv/bin/python ] && PYTHON=${PYTHON:-.venv/bin/python}
PYTHON=${PYTHON:-python}
DATA=${DATA:-../shared/data}
RESULTS=${1:-results}

"$PYTHON" -c 'import torch'
if ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "No CUDA device here: nothing was measured."
    exit 0
fi
"$PYTHON" -c 'import torch; print(torch.cuda.get_device_name(), "torch", torch.__version__)'
failed=0
"$PYTHON" benchmarks/overhead.py --device cuda --results "$RESULTS" || failed=1
if [ -d "$DATA/MNIST" ]; then
    "$PYTHON" benchmarks/mnist_speed.py --device cuda --root "$DATA" || failed=1
else
    echo "No MNIST in $DATA: leaving it out"
fi
exit $failed
