"""How YAML is read here: the files of rules and words that come with the house, and those a person hands in."""

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

# The same answers seven times as fast; a build of PyYAML without libyaml has the slow one only.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """Return what a YAML file says; what comes back is the caller's own to change.

    Raises OSError, UnicodeDecodeError or yaml.YAMLError.
    """
    return deepcopy(_parsed(path.read_text(encoding="utf-8")))


@lru_cache(maxsize=32)
def _parsed(text: str) -> Any:
    # By the text and not by the path: several rooms read one file, and a file that was changed is another text.
    return yaml.load(text, Loader=_LOADER)
