"""The bench is no installed package: it is found from the root, as by `python -m bench`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
