"""Commands that components bring are mounted without being imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from evalkit.cli import plugins
from evalkit.cli.main import app
from evalkit.errors import UserError

BROKEN = EntryPoint("broken", "no_such_module.anywhere:command", plugins.GROUP)
SHADOW = EntryPoint("doctor", "protocols.tps.command:tps", plugins.GROUP)


def app_with(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> typer.Typer:
    """An app with a command `doctor` of its own and the commands of ``entries``."""
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    mounted = typer.Typer()

    @mounted.command()
    def doctor() -> None:
        typer.echo("our own")

    plugins.mount_commands(mounted)
    return mounted


def run(mounted: typer.Typer, *arguments: str) -> Any:
    return CliRunner().invoke(mounted, list(arguments))


def test_help_lists_the_command_and_imports_nothing_of_it() -> None:
    code = (
        "import sys\nfrom evalkit.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert 'protocols.tps' not in sys.modules and 'torch' not in sys.modules"
    )
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "True Pose Similarity of two clips" in output


def test_its_own_help_is_that_of_the_function() -> None:
    output = run(app, "tps", "--help").output
    assert "Frames of the real clip" in output and "--json" in output


def test_a_missing_argument_is_told_by_the_command_itself() -> None:
    result = run(app, "tps")
    assert result.exit_code == 2 and "real" in result.output.lower()


def test_a_command_that_cannot_be_imported_is_one_line_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = app_with(monkeypatch, BROKEN)
    assert run(mounted, "--help").exit_code == 0
    error = run(mounted, "broken").exception
    assert isinstance(error, UserError) and "command 'broken'" in str(error) and "\n" not in str(error)


def test_no_component_replaces_a_command_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = app_with(monkeypatch, SHADOW)
    assert run(mounted).output == "our own\n"
