"""The import rule between rooms, as docs/architecture.md gives it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "scriptgen"

#: Room → rooms or single modules it may import.
ALLOWED = {
    "domain": set(),
    "compliance": {"domain"},
    "agents": {"domain", "compliance", "llm.protocol"},
    "skills": {"domain", "agents", "llm.protocol"},
    "workflow": {"domain", "agents", "skills", "stores.protocols", "llm.protocol"},
    "llm": {"domain"},
    "stores": {"domain"},
    "coordination": {"domain"},
    "rpc": {"domain", "compliance", "agents", "skills", "workflow", "llm", "stores", "coordination", "v1"},
}


def imports(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports, without the `scriptgen.` prefix."""
    package = ("scriptgen", *path.relative_to(SOURCE).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            names = [".".join((*base, *filter(None, (node.module,))))]
        else:
            continue
        yield from (name.removeprefix("scriptgen.") for name in names if name.startswith("scriptgen."))


def allowed(room: str, module: str) -> bool:
    own = module == room or module.startswith(f"{room}.")
    return own or any(module == one or module.startswith(f"{one}.") for one in ALLOWED[room])


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = sorted((SOURCE / room).rglob("*.py"))
    assert files
    wrong = [
        f"{path.relative_to(SOURCE)} imports {module}"
        for path in files
        for module in imports(path)
        if not allowed(room, module)
    ]
    assert not wrong


def test_only_rpc_and_the_top_level_know_grpc() -> None:
    wrong = [
        str(path.relative_to(SOURCE))
        for room in ALLOWED
        if room != "rpc"
        for path in (SOURCE / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "grpc" for alias in node.names)
    ]
    assert not wrong


def test_every_room_is_covered() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms - {"settings", "cli"} == set(ALLOWED)
