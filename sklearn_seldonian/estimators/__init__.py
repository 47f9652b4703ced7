"""The estimators: scikit-learn's contract, and nothing else."""
