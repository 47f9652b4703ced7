"""``python -m sklearn_seldonian``: certify, verify and plan from a shell."""

import sys

from sklearn_seldonian._command_line import main

if __name__ == "__main__":
    sys.exit(main())
