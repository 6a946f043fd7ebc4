"""``blb-migrate docs [NAME]``: the documents that come with the tool, listed or printed as they are."""

from __future__ import annotations

from typing import Annotated

import typer

from blb_migration.cli.options import Debug
from blb_migration.documents import list_documents, read_document
from blb_migration.errors import ExitCode


def docs(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Such as decisions, or deploy/README.")
    ] = None,
    debug: Debug = False,
) -> ExitCode:
    """List the names of all with their titles, or print the one that is named."""
    from blb_migration.cli.terminal import build_console

    console = build_console()
    if name is not None:
        console.print(read_document(name), markup=False, end="", soft_wrap=True)
        return ExitCode.RECONCILED
    documents = list_documents()
    width = max(map(len, documents))
    for document, path in documents.items():
        title = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        console.print(f"{document:{width}}  {title}", markup=False)
    return ExitCode.RECONCILED
