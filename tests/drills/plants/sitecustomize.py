"""Plants what ``PLANT`` names, in nodes and in nothing else that is written in Python."""

from __future__ import annotations

import importlib
import os
import sys

if "serve" in sys.orig_argv and "PLANT" in os.environ:
    importlib.import_module(os.environ["PLANT"]).plant()
