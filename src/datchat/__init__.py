"""Dat Chat: a distributed chat that people can use and that engineers break on purpose."""

from importlib.metadata import version

__version__ = version("dat-chat")
