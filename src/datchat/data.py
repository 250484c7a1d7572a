"""Where a node keeps what lasts: the data directory, the embedded store in it, the secret beside that."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from urllib.parse import quote, urlsplit

from datchat.errors import ConfigurationError
from datchat.settings import Settings

DATABASE = "chat.db"
SECRET = "secret"


def store_url(settings: Settings) -> str:
    """
    The store's URL: the one that was given, with its password; else that of the embedded store in ``data``.

    Raises:
        ConfigurationError: A password is given, and the store is none that has one.
    """
    url = settings.store or f"sqlite://{(Path(settings.data) / DATABASE).absolute()}"
    if settings.store_password is None:
        return url
    parts = urlsplit(url)
    if not parts.scheme.startswith("redis"):
        raise ConfigurationError(f"--store-password is for Redis servers: leave it out with {parts.scheme}://…")
    credentials, _, hosts = parts.netloc.rpartition("@")
    if ":" in credentials:
        return url
    password = quote(settings.store_password.get_secret_value(), safe="")
    return parts._replace(netloc=f"{credentials}:{password}@{hosts}").geturl()


def data_directory(settings: Settings) -> Path | None:
    """
    The directory of the embedded store, made when it is missing; None when another store is used.

    Raises:
        ConfigurationError: It can't be made or written to.
    """
    if settings.store is not None:
        return None
    folder = Path(settings.data)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:
        raise ConfigurationError(f"{folder} is no directory: choose another with --data") from None
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {folder} can't be made ({error.strerror}): choose another with --data"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"no right to write to the data directory {folder}: choose another with --data")
    return folder


def secret_for(settings: Settings, folder: Path | None) -> bytes:
    """
    What signs tokens: from the settings, else kept in the data directory, else made for this run.

    Raises:
        ConfigurationError: The kept secret can't be read.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    if folder is None:
        return secrets.token_bytes(32)
    path = folder / SECRET
    try:
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_hex(32).encode())
        except FileExistsError:
            pass
        secret = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} can't be used ({error.strerror}): mend its rights, or set --secret") from None
    if len(secret) < 32:
        raise ConfigurationError(f"{path} holds no secret: remove it, and a new one is made (people sign in again)")
    return secret
