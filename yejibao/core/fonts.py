"""The Chinese fonts that come along with the product, so that a PDF or a picture looks the same on every machine.

Only the files of the package `pylopdf-fonts-zh-cn` are used (Noto Sans SC and Noto Serif SC, SIL OFL 1.1), none of its code.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

_FILES = {"sans": "NotoSansSC-Regular.otf", "serif": "NotoSerifSC-Regular.otf"}


@cache
def font_path(name: str = "sans") -> Path:
    """Return the file of a font, `sans` or `serif`. Raises FileNotFoundError where the package is not installed."""
    found = find_spec("pylopdf_fonts_zh_cn")
    if found is None or found.origin is None:
        raise FileNotFoundError("pylopdf-fonts-zh-cn is not installed")
    return Path(found.origin).parent / _FILES[name]
