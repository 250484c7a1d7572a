"""Signing up, in and out: what the forms and the API have in common."""

from __future__ import annotations

import ipaddress
import unicodedata

from starlette.requests import Request

from datchat.errors import RateLimited, WrongCredentials
from datchat.node.lifecycle import Node
from datchat.ports import Account
from datchat.web.attempts import Attempts
from datchat.web.auth import Doorkeeper
from datchat.web.metrics import SiteMetrics
from datchat.web.options import SiteOptions
from datchat.web.people import People
from datchat.web.tokens import Opened, open_session

ADDRESS_SHARE = 10
"""How many times as often an address may fail as an account: whole offices share one."""


class Entrance:
    """Lets people in and out."""

    def __init__(
        self, node: Node, people: People, doorkeeper: Doorkeeper, options: SiteOptions, metrics: SiteMetrics
    ) -> None:
        self._node = node
        self._people = people
        self._doorkeeper = doorkeeper
        self._options = options
        self._metrics = metrics
        self._by_email = Attempts(options.sign_in_rate)
        self._by_address = Attempts(options.sign_in_rate * ADDRESS_SHARE)

    async def sign_up(self, email: str, password: str, name: str | None) -> Account:
        """
        Make an account.

        Raises:
            Invalid, Taken, RateLimited: As for ``People.register``.
        """
        account = await self._people.register(email, password, name)
        self._metrics.sign_ups.inc()
        return account

    async def sign_in(self, request: Request, email: str, password: str) -> Opened:
        """
        Begin a session, with a token that nobody has seen before.

        Raises:
            WrongCredentials: As for ``People.prove``.
            RateLimited: Too many failures of this account or from this address, or too many sign-ins at once.
        """
        try:
            account = await self._prove(request, email, password)
        except WrongCredentials:
            self._metrics.sign_ins.labels("wrong").inc()
            raise
        except RateLimited:
            self._metrics.sign_ins.labels("limited").inc()
            raise
        self._metrics.sign_ins.labels("fine").inc()
        return await self.begin(account)

    async def begin(self, account: Account) -> Opened:
        """Begin a session of an account that has proved itself."""
        opened = open_session(self._options.secret, account, self._node.wall(), self._options.session_ms)
        await self._node.accounts.open_session(opened.session)
        return opened

    async def replace(self, request: Request) -> None:
        """
        End the session that a browser came with, which gets another's cookie now and so could never end it itself.
        """
        before = await self._doorkeeper.visit(request.headers)
        if before is not None and before.by_cookie:
            await self._node.end_session(before.session.id)

    async def _prove(self, request: Request, email: str, password: str) -> Account:
        now = self._node.now()
        account_key = unicodedata.normalize("NFKC", email[:300]).casefold()
        address_key = network_of(request.client.host if request.client else "")
        self._by_address.begin(address_key, now)
        try:
            self._by_email.begin(account_key, now)
        except RateLimited:
            self._by_address.succeed(address_key)
            raise
        try:
            account = await self._people.prove(email, password)
        except WrongCredentials:
            raise
        except BaseException:
            self._paid_back(account_key, address_key)
            raise
        self._paid_back(account_key, address_key)
        return account

    def _paid_back(self, account_key: str, address_key: str) -> None:
        self._by_email.succeed(account_key)
        self._by_address.succeed(address_key)


def network_of(address: str) -> str:
    """What counts as one address: all of IPv4's, the /64 of IPv6's, since that is what one subscriber gets."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
