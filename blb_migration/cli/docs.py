"""``blb-migrate docs [NAME]``: the documents that come with the tool, listed or printed as they are."""

from __future__ import annotations

import argparse

from blb_migration.cli.terminal import build_console
from blb_migration.documents import list_documents, read_document
from blb_migration.errors import ExitCode


def docs(arguments: argparse.Namespace) -> ExitCode:
    """Print one document, or the names of all with their titles."""
    console = build_console()
    if arguments.name is not None:
        console.print(read_document(arguments.name), markup=False, end="", soft_wrap=True)
        return ExitCode.RECONCILED
    documents = list_documents()
    width = max(map(len, documents))
    for name, path in documents.items():
        title = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        console.print(f"{name:{width}}  {title}", markup=False)
    return ExitCode.RECONCILED
