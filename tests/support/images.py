"""The images of a deployment as archives, for engines that have to be given them: built once for what they hold."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = ROOT / ".cache" / "images"
IMAGES: Final = ("datchat:latest", "redis:7.2-bookworm", "haproxy:3.0-bookworm")
BUILD_S: Final = 900
_HELD: Final = ("Dockerfile", "pyproject.toml", "uv.lock", "script/images", "deploy/redis", "deploy/haproxy", "src")


def archive() -> Path:
    """
    All images in one file that ``docker load`` takes: the one that DEPLOYMENT_IMAGES names, else one that is built with
    an engine of its own where it is not there yet.
    """
    if given := os.environ.get("DEPLOYMENT_IMAGES"):
        return Path(given)
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"deployment-{_digest()}.tar"
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in KEPT.glob("deployment-*.tar"):
                old.unlink()
            made = path.with_suffix(".new")
            commands = f"script/images && docker build -q -t {IMAGES[0]} . && docker save -o {made} {' '.join(IMAGES)}"
            subprocess.run(["script/engine", "sh", "-c", commands], cwd=ROOT, check=True, timeout=BUILD_S)
            made.rename(path)
    return path


def _digest() -> str:
    """Of everything that the images are made from."""
    digest = hashlib.sha256()
    for name in _HELD:
        held = ROOT / name
        files = [held] if held.is_file() else sorted(p for p in held.rglob("*") if "__pycache__" not in p.parts)
        for file in files:
            if file.is_file():
                digest.update(f"{os.path.relpath(file, ROOT)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
