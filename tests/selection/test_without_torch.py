import subprocess
import sys
from pathlib import Path

import sklearn_seldonian

# The package's own __init__ imports the estimators, so it is replaced.
SCRIPT = """
import sys
from types import ModuleType


class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "skorch"):
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, Missing)  # not None in sys.modules, by which scipy takes torch for loaded
package = sys.modules["sklearn_seldonian"] = ModuleType("sklearn_seldonian")
package.__path__ = [sys.argv[1]]
from sklearn_seldonian import selection

print(*selection.__all__)
"""


def test_selection_runs_without_torch_and_skorch():
    folder = Path(sklearn_seldonian.__file__).parent
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "forecast_for" in found.stdout.split()
