"""Notebooks made in a test: cells as text, the first line saying what a cell is.

`# markdown` and `# parameters` name their kind; anything else is code.
"""

from pathlib import Path

from analysis.notebook_file import written

import nbformat  # isort: skip - after notebook_file, see there


def notebook(path: Path, *sources: str) -> Path:
    """Write a notebook of these cells and return its path."""
    made = nbformat.v4.new_notebook(
        metadata={"kernelspec": KERNEL}, cells=[cell(source) for source in sources]
    )
    for number, each in enumerate(made.cells):
        each.id = f"cell-{number}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written(made))
    return path


def cell(source: str) -> nbformat.NotebookNode:
    first, _, rest = source.partition("\n")
    if first == "# markdown":
        return nbformat.v4.new_markdown_cell(rest)
    if first == "# parameters":
        return nbformat.v4.new_code_cell(rest, metadata={"tags": ["parameters"]})
    return nbformat.v4.new_code_cell(source)


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
