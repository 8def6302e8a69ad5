"""The emulator of `make run`, but what is deployed over a stack gets its calls step by step.

`python -P upgradable.py`, with the emulator's own Python.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "tools")]

    from dev.emulator import inside
    from support import codedeploy, judging, weights

    inside.main(judging.install, codedeploy.install, weights.install)
