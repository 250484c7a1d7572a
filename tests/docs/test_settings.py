"""docs/settings.md is what the program prints, and every setting that a document names is real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datchat import cli, settings
from docs.documents import DOCUMENTS, ROOT, name_of, text

OTHERS = {"BENCH_REFERENCE", "DATCHAT_BIND", "DATCHAT_BIND_HTTP", "DATCHAT_TLS_PORT", "DATCHAT_ADMIN"}
"""Variables of tools and configurations beside the program."""


def named_in(path: Path) -> set[str]:
    """The variables that a file names."""
    return set(re.findall(r"\bDATCHAT_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))


def test_the_page_is_what_is_printed() -> None:
    """docs/settings.md equals ``datchat settings --markdown``."""
    assert text("docs/settings.md") == settings.markdown()


@pytest.mark.parametrize("setting", list(settings.listing()), ids=lambda setting: setting.field)
def test_every_setting_is_documented(setting: settings.Setting) -> None:
    """Each has its row, with flag, variable and default."""
    default = f"`{setting.default}`" if setting.default else ""

    assert f"| `{setting.flag}` | `{setting.variable}` | {default} |" in text("docs/settings.md")


def test_every_variable_that_is_named_is_real() -> None:
    """Every DATCHAT_ name in documents, scripts and compose files is a setting's, or an option's of a drill."""
    compositions = sorted(ROOT.glob("compose*.yaml"))
    files = [*DOCUMENTS, *ROOT.glob("script/*"), *ROOT.glob(".ci/*"), *compositions]
    real = {setting.variable for setting in settings.listing()} | OTHERS
    real |= {settings.PREFIX + secret.upper() + settings.FILE for secret in settings.SECRETS}
    for composition in compositions:
        real |= set(re.findall(r"\$\{(DATCHAT_\w+)", composition.read_text()))
    flags = re.findall(r"(?<![\w-])--([a-z][a-z-]*)", helps()["datchat drill"])
    real |= {settings.PREFIX + flag.upper().replace("-", "_") for flag in flags}
    wrong = {name_of(path): unknown for path in files if (unknown := named_in(path) - real)}

    assert wrong == {}


def test_every_flag_of_serve_in_the_documents_is_real() -> None:
    """A flag after ``datchat serve`` or ``script/run``, or in backticks of its own, is one of the command line's."""
    known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "".join(helps().values())))
    for document in DOCUMENTS:
        lines = re.findall(r"(?:(?<!-n )datchat \w+|script/run)[^`\n|]*", document.read_text())
        flags = {flag for line in lines for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line)}
        flags |= set(re.findall(r"`(--[a-z][a-z-]*)[^`]*`", document.read_text()))

        assert flags <= known, name_of(document)


def helps() -> dict[str, str]:
    """The help of every command."""
    found = {}
    waiting = [cli.build_parser()]
    while waiting:
        parser = waiting.pop()
        found[parser.prog] = parser.format_help()
        for action in parser._actions:
            if isinstance(action.choices, dict):
                waiting += action.choices.values()
    return found


@pytest.mark.parametrize("setting", list(settings.listing()), ids=lambda setting: setting.field)
def test_every_setting_is_a_flag_of_serve(setting: settings.Setting) -> None:
    """The help of ``serve`` has the flag, its meaning with the unit, and the default."""
    shown = re.sub(r"\s+", " ", helps()["datchat serve"])
    default = f" [{setting.default}]" if setting.default else ""

    assert f"{setting.flag} " in shown
    # argparse breaks lines after hyphens too.
    assert f"{setting.meaning}{default}".replace(" ", "") in shown.replace(" ", "")


@pytest.mark.parametrize("command", sorted(helps()))
def test_every_help_says_what_it_does(command: str) -> None:
    """Each command's help ends with the exit codes, and each of its options has a sentence."""
    shown = helps()[command]

    assert "exit codes: 0 fine" in re.sub(r"\s+", " ", shown) or command == "datchat user"
    for line in shown.splitlines():
        option = re.match(r"  (--[a-z-]+)( [A-Z]+)?( +\S.*)?$", line)
        if option is not None and option[3] is None:
            following = shown.split(line + "\n", 1)[1].split("\n", 1)[0]
            assert following.startswith("     "), option[1]
