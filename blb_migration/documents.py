"""The documents that messages point to: inside the package once installed, beside it in a clone.

``pyproject.toml`` puts ``docs/``, ``dagster.yaml`` and ``workspace.yaml`` into the wheel. Nothing here
prints; ``blb-migrate docs`` does.
"""

from __future__ import annotations

from pathlib import Path

from blb_migration.near_names import refuse_unknown

_PACKAGE = Path(__file__).resolve().parent
INSTANCE_FILE = "dagster.yaml"
WORKSPACE_FILE = "workspace.yaml"


def list_documents() -> dict[str, Path]:
    """Every document's path by its name, sorted; ``.md`` is left out of the name."""
    folder = _PACKAGE / "docs"
    if not folder.is_dir():
        folder = _PACKAGE.parent / "docs"
    found = {
        path.relative_to(folder).as_posix().removesuffix(".md"): path
        for path in folder.rglob("*")
        if path.is_file()
    }
    found |= {name: folder.parent / name for name in (INSTANCE_FILE, WORKSPACE_FILE)}
    return dict(sorted(found.items()))


def read_document(name: str) -> str:
    """Read a document's text, by its name or its path in the repository (``docs/digest.md``).

    Raises ConfigurationError, which lists the names, for one that there is not.
    """
    documents = list_documents()
    key = name.replace("\\", "/").removeprefix("docs/").removesuffix(".md")
    list_them = "Run 'blb-migrate docs' to list them with their titles"
    refuse_unknown(f"docs {name}", key, documents, found="there is no such document", next_act=list_them)
    return documents[key].read_text(encoding="utf-8")
