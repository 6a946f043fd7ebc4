"""The documents that messages point to: inside the package once installed, beside it in a clone.

``pyproject.toml`` puts ``docs/`` and ``dagster.yaml`` into the wheel, as ``blb_migration/docs``. Nothing
here prints; ``blb-migrate docs`` does.
"""

from __future__ import annotations

from pathlib import Path

from blb_migration.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent
INSTANCE_FILE = "dagster.yaml"


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
    found.setdefault(INSTANCE_FILE, folder.parent / INSTANCE_FILE)
    return dict(sorted(found.items()))


def read_document(name: str) -> str:
    """Read a document's text, by its name or its path in the repository (``docs/digest.md``).

    Raises ConfigurationError, which lists the names, for one that there is not.
    """
    documents = list_documents()
    path = documents.get(name.replace("\\", "/").removeprefix("docs/").removesuffix(".md"))
    if path is None:
        raise ConfigurationError(
            f"docs {name}",
            found="there is no such document",
            expected=f"one of {', '.join(documents)}",
            next_act="Run 'blb-migrate docs' to list them with their titles",
        )
    return path.read_text(encoding="utf-8")
