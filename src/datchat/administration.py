"""What an operator does to a store from the command line, beside a running server or without one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from datchat.backends import open_backend
from datchat.backends.verify import verify as walk
from datchat.data import DATABASE, data_directory, store_url
from datchat.errors import ConfigurationError
from datchat.ports import Account, Backend
from datchat.settings import Settings
from datchat.web.passwords import Passwords
from datchat.web.people import People


async def user(settings: Settings, options: argparse.Namespace) -> int:
    """
    Carry out one act of ``datchat user``.

    Raises:
        ClientError: The act is refused; the sentence says why.
        ConfigurationError, BackendError: The store can't be used.
    """
    # An account may be made before the first start; everything else needs a store that is there.
    backend = await _open(settings, create=options.act == "add")
    passwords = Passwords(settings.password_hash)
    try:
        await _act(People(backend.accounts, passwords), options)
    finally:
        passwords.close()
        await backend.close()
    return 0


async def _act(people: People, options: argparse.Namespace) -> None:
    if options.act == "add":
        account, password = await people.add(
            options.email, name=options.name, password=options.password, admin=options.admin
        )
        print(f"{account.id}  {account.email}  {account.name}")
        if options.password is None:
            print(f"password: {password}")
    elif options.act == "list":
        accounts = await people.listing()
        print(json.dumps([_fields(account) for account in accounts], indent=2) if options.json else _table(accounts))
    elif options.act == "disable":
        account = await (people.enable(options.email) if options.undo else people.disable(options.email))
        print(f"{account.email} is {'let in again' if options.undo else 'disabled; its sessions have ended'}")
    else:
        account, password = await people.reset_password(options.email, options.password)
        print(f"{account.email} has a new password; its sessions have ended")
        if options.password is None:
            print(f"password: {password}")


async def verify(settings: Settings) -> int:
    """
    Walk every log and print what was found; 1 when something is wrong.

    Raises:
        ConfigurationError, BackendError: The store can't be read.
    """
    backend = await _open(settings, create=False)
    rooms = entries = faults = 0
    try:
        async for report in walk(backend):
            rooms += 1
            entries += report.entries
            faults += len(report.faults)
            print(f"{report.room}: {report.entries} entries, cursor {report.cursor}")
            for fault in report.faults:
                print(f"{report.room}: {fault}")
        for fault in await backend.inspect():
            faults += 1
            print(fault)
    finally:
        await backend.close()
    if faults:
        print(f"invalid: {faults} faults in {rooms} rooms with {entries} entries")
        return 1
    print(f"valid: {rooms} rooms, {entries} entries, offsets without holes, chains right")
    return 0


async def _open(settings: Settings, *, create: bool) -> Backend:
    if (settings.store or "").startswith("memory:"):
        raise ConfigurationError("memory:// holds nothing from one run to the next: name a store that lasts")
    if settings.store is None and not create:
        path = Path(settings.data) / DATABASE
        if not path.exists():
            raise ConfigurationError(f"there is no store in {settings.data}: give its directory with --data")
    elif settings.store is None:
        data_directory(settings)
    return await open_backend(store_url(settings), exclusive=False)


def _fields(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "created_at": account.created_at,
        "admin": account.admin,
        "disabled": account.disabled,
    }


def _table(accounts: Sequence[Account]) -> str:
    rows = []
    for account in accounts:
        made = datetime.fromtimestamp(account.created_at / 1000, UTC).strftime("%Y-%m-%d")
        marks = " ".join(mark for mark, is_so in (("admin", account.admin), ("disabled", account.disabled)) if is_so)
        rows.append(f"{account.id}  {made}  {account.email}  {account.name}  {marks}".rstrip())
    return "\n".join(rows) if rows else "no accounts yet"
