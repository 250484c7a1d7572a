"""What somebody asks of ``datchat up``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from datchat.cluster.network import Choice


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A cluster, as it was asked for."""

    directory: Path
    host: str = "127.0.0.1"
    port: int = 8081
    web: int = 3
    replicas: int = 2
    network: Choice = "auto"
    web_store: str | None = None
    """Another store for the web nodes than the cluster's own Redis servers."""
    store_options: str = ""
    """Options of the store's URL, as they stand behind its ``?``."""
    web_command: tuple[str, ...] | None = None
    """Another program for the web nodes than ``datchat serve``."""
    restart: bool = False
    """Whether a part that ends by itself is started again."""
