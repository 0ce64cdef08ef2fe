"""`dangol playbook check`: what is wrong with playbooks, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from schemas.errors import InputError

if TYPE_CHECKING:
    from schemas.playbook import Playbook


@click.command(short_help="Say what is wrong with them, and where.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a machine to read.")
@click.pass_context
def check(context: click.Context, files: tuple[str, ...], as_json: bool) -> None:
    """Check playbooks without a broker: exit code 2 if one of them has a mistake.

    A mistake is told as FILE:LINE:COLUMN, with the nearest valid word, which editors and CI know how to
    show. For completion while you write, begin a playbook with this line, and the path of the schema that
    ships (schemas/json/playbook.schema.json):

    \b
      # yaml-language-server: $schema=playbook.schema.json

    \b
    Example:
      dangol playbook check mine.yaml winter/*.yaml
    """
    import orjson

    from agents.cli.playbook.file import read

    told: list[dict[str, Any]] = []
    failed = False
    for file in files:
        try:
            _, playbook = read(file)
        except InputError as error:
            failed = True
            told.append(_mistake(file, error))
            if not as_json:
                click.echo(str(error), err=True)
        else:
            told.append(_fine(file, playbook))
            if not as_json:
                click.echo("{file}: {version}, {plays} plays, {types} touchpoint types".format_map(told[-1]))
    if as_json:
        click.echo(orjson.dumps(told))
    if failed:
        context.exit(InputError.exit_code)


def _fine(file: str, playbook: Playbook) -> dict[str, Any]:
    return {
        "file": file,
        "ok": True,
        "name": playbook.playbook,
        "version": playbook.version,
        "plays": len(playbook.plays),
        "types": len(playbook.catalogue),
    }


def _mistake(file: str, error: InputError) -> dict[str, Any]:
    from schemas.yaml_source import SourceError

    at = {"line": error.line, "column": error.column} if isinstance(error, SourceError) else {}
    what = error.mistake if isinstance(error, SourceError) else str(error)
    return {"file": file, "ok": False, **at, "mistake": what}
