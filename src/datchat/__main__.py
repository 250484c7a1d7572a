"""``python -m datchat``: the command line, for whoever has no ``datchat`` in their PATH."""

from __future__ import annotations

from datchat.cli import main

if __name__ == "__main__":
    main()
