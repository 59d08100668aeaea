"""What a notebook may be given: only what its cell tagged `parameters` declares, by name and type.

papermill only warns about unknown names, pastes names raw into code and turns any unknown value into text between
quotes: a name or a value can carry code.
"""

import ast
import re
from collections.abc import Mapping
from typing import Final

from analysis.notebook_file import Notebook, tags

NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
SCALARS: Final[dict[str, type]] = {"str": str, "int": int, "float": float, "bool": bool}


class ParameterRefused(ValueError):
    """A parameter that a notebook does not take, or not with this value."""


def checked(notebook_name: str, notebook: Notebook, parameters: Mapping[str, object]) -> dict[str, object]:
    """The parameters, each declared by the notebook and of the type declared there.

    Raises: ParameterRefused
    """
    known = declared(notebook_name, notebook)
    for name, value in parameters.items():
        if name not in known:
            raise ParameterRefused(
                f"{notebook_name}: no parameter {name!r}\n  want: {', '.join(known) or 'no parameters'}\n"
                "  A notebook's parameters are the names assigned in its cell tagged `parameters`."
            )
        if not fits(value, known[name]):
            raise ParameterRefused(
                f"{notebook_name}: parameter {name} is of another type\n"
                f"  want: {ast.unparse(known[name])}\n  got:  {value!r} ({type(value).__name__})"
            )
    return dict(parameters)


def declared(notebook_name: str, notebook: Notebook) -> dict[str, ast.expr]:
    """Name -> type of each parameter: its annotation or, where there is none, its default's type.

    Raises: ParameterRefused where the cell holds anything but assignments of literals to lower-case names.
    """
    cells = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    if len(cells) > 1:
        raise ParameterRefused(f"{notebook_name}: {len(cells)} cells are tagged `parameters`, want one")
    statements = ast.parse(cells[0].source).body if cells else []
    return dict(_declaration(notebook_name, statement) for statement in statements)


def _declaration(notebook_name: str, statement: ast.stmt) -> tuple[str, ast.expr]:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=ast.expr()) if NAME.fullmatch(
            name
        ):
            return name, kind
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=default)) if NAME.fullmatch(
            name
        ):
            return name, ast.Name(type(default).__name__)
    raise ParameterRefused(
        f"{notebook_name}: the cell tagged `parameters` holds something else\n"
        f"  want: lower_case_name: str | int | float | bool | list[…] | None = literal\n"
        f"  got:  {ast.unparse(statement)}"
    )


def fits(value: object, kind: ast.expr) -> bool:
    """Whether a plain value is of the type that an annotation names. A bool is no int, a subclass no str."""
    match kind:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return fits(value, left) or fits(value, right)
        case ast.Constant(value=None):
            return value is None
        case ast.Name(id="float"):
            return type(value) in (float, int)
        case ast.Name(id=name):
            return type(value) is SCALARS.get(name)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return type(value) is list and all(fits(each, item) for each in value)
    return False
