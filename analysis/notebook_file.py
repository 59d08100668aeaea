"""Notebook files, read and written as nbformat 4. Imported before anything else that imports nbformat."""

import sys
from pathlib import Path
from typing import Any

# With JupyterLab installed, jsonschema finds rfc3987_syntax and builds a grammar of IRIs: 1.4 s in each process, for a
# check that no notebook needs. None makes its import fail, which jsonschema expects.
_MODULES: dict[str, Any] = sys.modules
_MODULES.setdefault("rfc3987_syntax", None)
import nbformat  # noqa: E402

if _MODULES["rfc3987_syntax"] is None:
    del _MODULES["rfc3987_syntax"]

Notebook = nbformat.NotebookNode


def read(path: Path) -> Notebook:
    """A notebook of format 4."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call, no-any-return]


def written(notebook: Notebook) -> bytes:
    """A notebook as the bytes of its file."""
    return str(nbformat.writes(notebook)).encode()  # type: ignore[no-untyped-call]


def code_cell(source: str, tag: str) -> Notebook:
    """A code cell with a tag."""
    return nbformat.v4.new_code_cell(source, metadata={"tags": [tag]})  # type: ignore[no-untyped-call, no-any-return]


def tags(cell: Notebook) -> list[str]:
    """A cell's tags."""
    return list(cell.metadata.get("tags", []))
