"""Rules for committed notebooks: prose and one-line calls, nothing defined, no output, no SQL made of pieces."""

import ast
import re
import tokenize
from io import StringIO
from pathlib import Path

import pytest
from sample_notebooks import notebook

from analysis.notebook_file import read, tags
from analysis.notebook_parameters import declared

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
MOST_LINES = 8
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
QUERIES = {"execute", "executemany", "sql", "query", "read_sql", "raw_sql"}


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def outputs(path):
    """Outputs and execution counts: what `nbstripout` would take away."""
    for number, cell in enumerate(code_cells(path), 1):
        if cell.outputs or cell.execution_count is not None:
            yield f"code cell {number} has outputs or a count"
        if set(cell.metadata) - {"tags"}:
            yield f"code cell {number} has metadata {sorted(cell.metadata)}"


def kernel(path):
    """A kernel that is not everybody's python3."""
    name = read(path).metadata.get("kernelspec", {}).get("name")
    return [] if name == "python3" else [f"kernelspec is {name}"]


def long_cells(path):
    """Cells of more lines than a reader takes in at once; blank lines and comments do not count."""
    for number, cell in enumerate(code_cells(path), 1):
        lines = [
            line for line in cell.source.splitlines() if line.strip() and not line.lstrip().startswith("#")
        ]
        if len(lines) > MOST_LINES and "parameters" not in tags(cell):
            yield f"code cell {number} has {len(lines)} lines"


def definitions(path):
    """Functions, classes and lambdas: they live in analysis/, where they are tested."""
    for number, cell in enumerate(code_cells(path), 1):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, DEFINITIONS):
                yield f"code cell {number} defines a {type(node).__name__}"


def magics(path):
    """IPython's own syntax: it is no Python, and some of it runs programs."""
    for number, cell in enumerate(code_cells(path), 1):
        if re.search(r"^\s*[%!?]", cell.source, re.MULTILINE):
            yield f"code cell {number} has a magic"


def untyped_parameters(path):
    """Parameters without a type, or without a comment on their line or the line above."""
    cells = [cell for cell in code_cells(path) if "parameters" in tags(cell)]
    if len(cells) != 1:
        yield f"{len(cells)} cells are tagged `parameters`"
        return
    declared(path.name, read(path))
    comments = {
        token.start[0]
        for token in tokenize.generate_tokens(StringIO(cells[0].source).readline)
        if token.type == tokenize.COMMENT
    }
    for statement in ast.parse(cells[0].source).body:
        if not isinstance(statement, ast.AnnAssign):
            yield f"{ast.unparse(statement)} has no type"
        if not comments & {statement.lineno - 1, *range(statement.lineno, (statement.end_lineno or 0) + 1)}:
            yield f"{ast.unparse(statement)} has no comment"


def pasted_sql(path):
    """Queries put together from text (T6): values are bound, names come from an allow-list."""
    trees = [ast.parse(cell.source) for cell in code_cells(path)]
    pasted = {
        target.id
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value
        if is_pasted(node.value, set()) or isinstance(node, ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for number, tree in enumerate(trees, 1):
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and any(is_pasted(query, pasted) for query in queries(call)):
                yield f"code cell {number}: {ast.unparse(call)}"


def queries(call):
    """The arguments of a call that are run as SQL; values bound to it are not."""
    if name_of(call.func) not in QUERIES:
        return []
    return [
        *call.args[:1],
        *(keyword.value for keyword in call.keywords if keyword.arg in {"query", "sql", None}),
    ]


def name_of(function):
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)


def is_pasted(node, pasted):
    """Whether an expression is text put together from other text, or a name that holds such."""
    return any(
        isinstance(part, ast.JoinedStr)
        or (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Mod) and has_text(part, pasted))
        or (
            isinstance(part, ast.Call)
            and name_of(part.func) in {"format", "format_map", "join", "replace", "substitute"}
        )
        or (isinstance(part, ast.Name) and part.id in pasted)
        for part in ast.walk(node)
    )


def has_text(node, pasted):
    """Whether text takes part in an operation."""
    return any(
        (isinstance(part, ast.Constant) and isinstance(part.value, str))
        or (isinstance(part, ast.Name) and part.id in pasted)
        for part in ast.walk(node)
    )


RULES = [outputs, kernel, long_cells, definitions, magics, untyped_parameters, pasted_sql]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_keeps_the_rule(path, rule):
    assert list(rule(path)) == []


PARAMETERS = (
    "# parameters\n# the gap that counts, ms\nwindow_ms: int = 50\nsince: str | None = None  # from when on"
)
GOOD = [
    "case.sql('SELECT * FROM requests WHERE status = ?', [status])",
    "query = 'SELECT 1'\ncase.execute(query)",
    "case.sql('''SELECT *\n  FROM requests''', {'gap': 2 * window_ms + 1})",
    "case.sql('SELECT * FROM requests WHERE path LIKE ?', [f'%{name}%'])",
    "title = f'{count} users'\nshow_table(frame, title)",
    "print('a' + 'b')",
    "frame.query('status >= 500')",
    "\n".join(f"step_{n} = {n}" for n in range(8)) + "\n# why\n\n",
]
BAD = [
    (pasted_sql, "case.sql(f'SELECT * FROM requests WHERE user_id = {user}')"),
    (pasted_sql, "case.sql('SELECT * FROM requests WHERE user_id = ' + user)"),
    (pasted_sql, "case.execute('SELECT * FROM %s' % name)"),
    (pasted_sql, "case.execute('SELECT * FROM {}'.format(name))"),
    (pasted_sql, "case.execute(' '.join(['SELECT', name]))"),
    (pasted_sql, "query = f'SELECT {name}'\ncase.sql(query)"),
    (pasted_sql, "query = 'SELECT 1 '\nquery += name\ncase.sql(query)"),
    (pasted_sql, "case.sql(query=(text := f'{name}'))"),
    (definitions, "def f():\n    pass"),
    (definitions, "class A:\n    pass"),
    (definitions, "key = lambda row: row.n"),
    (magics, "!ls"),
    (magics, "x = 1\n%timeit x"),
    (long_cells, "\n".join(f"step_{n} = {n}" for n in range(9))),
    (untyped_parameters, "# parameters\nx: int = 3  # a second cell"),
]


@pytest.mark.parametrize("source", GOOD)
def test_a_cell_that_keeps_the_rules_is_not_a_hit(tmp_path, source):
    path = notebook(tmp_path / "nb.ipynb", "# markdown\n# Title", PARAMETERS, source)
    assert [hit for rule in RULES for hit in rule(path)] == []


@pytest.mark.parametrize(("rule", "source"), BAD)
def test_a_cell_that_breaks_the_rule_is_a_hit(tmp_path, rule, source):
    assert list(rule(notebook(tmp_path / "nb.ipynb", PARAMETERS, source)))


@pytest.mark.parametrize("line", ["n = 3  # n", "n: int = 3", "# far above\n\nn: int = 3"])
def test_a_parameter_without_type_or_comment_is_a_hit(tmp_path, line):
    assert list(untyped_parameters(notebook(tmp_path / "nb.ipynb", f"# parameters\n{line}")))


def test_an_executed_notebook_is_a_hit(tmp_path):
    path = notebook(tmp_path / "nb.ipynb", PARAMETERS)
    path.write_text(path.read_text().replace('"execution_count": null', '"execution_count": 1'))
    assert list(outputs(path)) == ["code cell 1 has outputs or a count"]


def test_a_kernel_of_ones_own_is_a_hit(tmp_path):
    path = notebook(tmp_path / "nb.ipynb", PARAMETERS)
    path.write_text(path.read_text().replace('"name": "python3"', '"name": "mine"'))
    assert list(kernel(path)) == ["kernelspec is mine"]
