#!/usr/bin/env python
"""Django's command line, in a house: a data folder with its servers, secrets and clock (see yejibao/house.py)."""

import os
import sys

from yejibao import house


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
    with house.opened(sys.argv) as argv:
        from django.core.management import execute_from_command_line  # settings are read from here on

        execute_from_command_line(argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("已中断。")
