"""docs/architecture.md is true: its picture, its rooms, and every file and name that documents mention."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import grimp
import pytest

TOP = Path(__file__).parents[1]
PRODUCT = TOP / "blb_migration"
ARCHITECTURE = (TOP / "docs" / "architecture.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
_ROOM = re.compile(r"^\| `(\w+)` \| (`.*?`) \|", re.MULTILINE)
_PLACE = re.compile(r"`([\w.-]*[\w-]/[\w./-]*|\w+\.py)(?::(\w+(?:\.\w+)?))?`")
# What messages or texts name that is made while it runs, or is not ours.
ELSEWHERE = (".blb/", ".venv/", "host:port/", "requirements.lock/")


def read_rooms() -> dict[str, str]:
    """Return the room of each module at the top of the product, from the table of rooms."""
    return {
        module: room
        for room, modules in _ROOM.findall(ARCHITECTURE)
        for module in re.findall(r"`(\w+)`", modules)
    }


def reduce_graph(graph: Mapping[str, Set[str]]) -> dict[str, set[str]]:
    """Return the graph without edges that follow from others. Fails on a circle."""
    reached: dict[str, set[str]] = {}

    def reach(room: str, way: tuple[str, ...]) -> set[str]:
        assert room not in way, f"rooms import each other: {' -> '.join((*way, room))}"
        if room not in reached:
            below = [reach(other, (*way, room)) for other in graph.get(room, set())]
            reached[room] = set(graph.get(room, set())).union(*below)
        return reached[room]

    for room in graph:
        reach(room, ())
    return {
        room: {other for other in others if not any(other in reached[between] for between in others)}
        for room, others in graph.items()
    }


def read_imports(rooms: Mapping[str, str]) -> dict[str, set[str]]:
    """Return which room imports which, from the code."""
    graph = grimp.build_graph("blb_migration", cache_dir=None)
    imports: dict[str, set[str]] = {room: set() for room in rooms.values()}
    for module in graph.modules - {"blb_migration"}:
        for imported in graph.find_modules_directly_imported_by(module) - {"blb_migration"}:
            importer, other = rooms[module.split(".")[1]], rooms[imported.split(".")[1]]
            if importer != other:
                imports[importer].add(other)
    return imports


def draw(graph: Mapping[str, Set[str]]) -> str:
    """Return the picture in Mermaid's language."""
    lines = [
        f"    {room} --> {' & '.join(sorted(others))}" for room, others in sorted(graph.items()) if others
    ]
    return "\n".join(["graph TD", *lines])


def test_every_module_has_one_room_and_every_room_exists() -> None:
    rooms = read_rooms()
    there = {path.stem for path in PRODUCT.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert rooms.keys() == there - {"__init__"}, "name it in docs/architecture.md, in a row of the rooms"
    assert len(rooms) == sum(len(re.findall(r"`\w+`", modules)) for _, modules in _ROOM.findall(ARCHITECTURE))


def test_the_picture_is_that_of_the_code() -> None:
    [picture] = re.findall(r"```mermaid\n(.*?)\n```", ARCHITECTURE, re.DOTALL)
    right = draw(reduce_graph(read_imports(read_rooms())))
    assert picture == right, f"paste this into docs/architecture.md:\n{right}"


def test_an_edge_that_follows_from_others_is_left_out() -> None:
    assert reduce_graph({"a": {"b", "c"}, "b": {"c"}}) == {"a": {"b"}, "b": {"c"}}


def test_a_circle_is_refused() -> None:
    with pytest.raises(AssertionError, match="a -> b -> a"):
        reduce_graph({"a": {"b"}, "b": {"a"}})


def find_places() -> Iterator[tuple[str, str, str]]:
    """Yield each path that a document names in backticks, and the function or class behind its colon."""
    for document in DOCUMENTS:
        for path, name in _PLACE.findall(document.read_text(encoding="utf-8")):
            if not path.startswith(ELSEWHERE):
                yield document.name, path, name


def find_path(path: str) -> Path | None:
    """Return the file or folder of that path, within the product, the tests or the repository."""
    bases = (PRODUCT, TOP, TOP / "docs", TOP / "blb_migration_tests")
    return next((base / path for base in bases if (base / path).exists()), None)


def test_every_path_and_name_that_a_document_mentions_exists() -> None:
    missing = []
    for document, path, name in find_places():
        found = find_path(path)
        if found is None:
            missing.append(f"{document}: {path}")
        elif name:
            tree = ast.parse(found.read_text(encoding="utf-8"))
            kinds = (ast.FunctionDef, ast.ClassDef)
            if name.rpartition(".")[2] not in {
                node.name for node in ast.walk(tree) if isinstance(node, kinds)
            }:
                missing.append(f"{document}: {path}:{name}")
    assert missing == []


def test_paths_with_names_are_found_at_all() -> None:
    assert len({place for place in find_places() if place[0] == "architecture.md" and place[2]}) > 20


def test_links_of_documents_lead_somewhere() -> None:
    dead = [
        f"{document.name}: {link}"
        for document in DOCUMENTS
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert dead == []


def test_decisions_are_numbered_and_listed() -> None:
    records = sorted((TOP / "docs" / "decisions").glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    index = (TOP / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d+)\]\((.+?)\) \| (.+) \|$", index, re.MULTILINE)
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in records]
    assert [f"# {number}. {title}" for number, _, title in listed] == titles
    assert [name for _, name, _ in listed] == [path.name for path in records]


@pytest.mark.parametrize(
    "record", sorted((TOP / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda path: path.stem
)
def test_a_decision_says_why_what_and_what_else(record: Path) -> None:
    sections = re.split(r"^## ", record.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert [section.partition("\n")[0] for section in sections] == [
        "Context",
        "Decision",
        "Tried or considered, and not taken",
    ]
    assert all(section.partition("\n")[2].strip() for section in sections)
