#!/bin/sh
# Do the claims of the cost benchmarks also hold on a CUDA device? Without a device it measures nothing.
#
#     benchmarks/gpu.sh [FOLDER FOR CSV FILES]
#
# PYTHON is the interpreter (by default that of .venv, if there is one). DATA is the folder with MNIST
# (by default ../shared/data).
set -eu
cd "$(dirname "$0")/.."
[ -x .venv/bin/python ] && PYTHON=${PYTHON:-.venv/bin/python}
PYTHON=${PYTHON:-python}
DATA=${DATA:-../shared/data}
RESULTS=${1:-results}

"$PYTHON" -c 'import torch'
if ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "There is no CUDA device, so nothing was measured."
    exit 0
fi
"$PYTHON" -c 'import torch; print(torch.cuda.get_device_name(), "torch", torch.__version__)'
failed=0
"$PYTHON" benchmarks/overhead.py --device cuda --results "$RESULTS" || failed=1
if [ -d "$DATA/MNIST" ]; then
    "$PYTHON" benchmarks/mnist_speed.py --device cuda --root "$DATA" || failed=1
else
    echo "There is no MNIST in $DATA, so its benchmark was left out."
fi
exit $failed
