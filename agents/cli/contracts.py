"""`dangol contracts`: the JSON Schemas of what travels on the topics."""

from __future__ import annotations

from pathlib import Path

import click

from schemas.errors import DangolError, InputError


@click.command
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 if a file is not what the types say.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the files are; else schemas/json of this program.",
)
def command(check: bool, folder: Path | None) -> None:
    """Write the JSON Schemas of touchpoint, trigger, decision, profile, playbook and dead letter.

    They are made from the types that read and write the topics, so they can't say anything else.

    \b
    Example:
      dangol contracts --check
    """
    import schemas
    from schemas.contracts import encode, json_schemas

    folder = folder or Path(schemas.__file__).parent / "json"
    contents = {folder / f"{name}.schema.json": encode(schema) for name, schema in json_schemas().items()}
    if check:
        for path, content in contents.items():
            if not path.is_file() or path.read_bytes() != content:
                raise DangolError(
                    f"{path} is not what the types say; run `dangol contracts` and look at the change"
                )
        click.echo(f"{len(contents)} schemas in {folder} are what the types say")
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in contents.items():
            path.write_bytes(content)
            click.echo(f"wrote {path}")
    except OSError as error:
        raise InputError(f"can't write to {folder}: {error.strerror or error}") from None
