"""From a changed function to a proposal: imports, line lengths, the patch."""

import ast
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import libcst as cst

from analysis.source.fixes.imports import Import, bind, has_import, source_of, with_imports
from analysis.source.fixes.layout import fitted
from analysis.source.fixes.proposals import NotOffered, Proposal, patch
from analysis.source.fixes.sites import Site
from analysis.source.fixes.syntax import find, names_in, rewritten
from analysis.source.trees import Tree


def proposal(
    site: Site,
    function: cst.FunctionDef,
    imports: Sequence[Import | None],
    *,
    name: str,
    title: str,
    why: str,
    loser: str,
    waits: str,
) -> Proposal:
    """The proposal that puts a changed function in the place of the old one.

    Raises: NotOffered, if nothing changes or the outcome is no Python
    """
    files = {site.hit.path: changed_text(site, {site.function: function}, imports)}
    return packed(site.tree, files, name=name, title=title, why=why, loser=loser, waits=waits)


def changed_text(
    site: Site, functions: Mapping[cst.FunctionDef, cst.FunctionDef], imports: Sequence[Import | None]
) -> str:
    """The file of the hit with some functions in the place of others, and imports added."""
    module = rewritten(site.module, {old: [new] for old, new in functions.items()})
    wanted = [each for each in imports if each is not None]
    return fitted(site.text, with_imports(module, wanted, own_packages(site.tree)).code, site.layout)


def packed(
    tree: Tree,
    files: dict[str, str],
    *,
    name: str,
    title: str,
    why: str,
    loser: str,
    waits: str,
    migration: bool = False,
) -> Proposal:
    """The proposal for new texts of files, after a look that each is Python and that something changed."""
    before = {path: tree.read(path) for path in files}
    if all(before[path] == text for path, text in files.items()):
        raise NotOffered("it would change nothing")
    for path, text in files.items():
        try:
            ast.parse(text)
        except (SyntaxError, ValueError) as error:
            raise NotOffered(f"the change would break {path}") from error
    return Proposal(name, title, files, patch(before, files), why, loser, waits, migration)


def own_packages(tree: Tree) -> frozenset[str]:
    """The packages and modules at the top of the repository, as they are imported."""
    paths = frozenset(tree.paths())
    found = set()
    for path in paths:
        pure = PurePosixPath(path)
        if pure.name == "__init__.py" and f"{pure.parent.parent}/__init__.py" not in paths:
            found.add(pure.parent.name)
        elif len(pure.parts) == 1:
            found.add(pure.stem)
        elif len(pure.parts) == 2 and f"{pure.parts[0]}/__init__.py" not in paths:
            found.add(pure.parts[0])
    return frozenset(found)


def module_of(tree: Tree, path: str) -> str:
    """The dotted name by which a file is imported: "jobs.models" of `jobs/models.py`, `src/jobs/models.py`."""
    pure = PurePosixPath(path)
    paths = frozenset(tree.paths())
    names = [] if pure.name == "__init__.py" else [pure.stem]
    folder = pure.parent
    while folder.name and f"{folder}/__init__.py" in paths:
        names.insert(0, folder.name)
        folder = folder.parent
    if (
        folder.name
        and not any(path.startswith("src/") or "/src/" in path for path in [f"{pure}"])
        and len(names) < 2
    ):
        names.insert(0, folder.name)
    return ".".join(names)


def bound(site: Site) -> set[str]:
    """The names that the function binds: parameters, assignments, loops, handlers."""
    function = site.function
    targets = [
        *(each.target for each in find(function, cst.AssignTarget)),
        *(each.target for each in find(function, cst.AugAssign)),
        *(each.target for each in find(function, cst.AnnAssign)),
        *(each.target for each in find(function, cst.For)),
        *(each.target for each in find(function, cst.NamedExpr)),
        *(each.name for each in find(function, cst.AsName)),
    ]
    plain = [each for each in targets if isinstance(each, cst.Name | cst.Tuple | cst.List)]
    return {each.name.value for each in find(function, cst.Param)}.union(*map(names_in, plain))


def needed(site: Site, source: str, name: str) -> Import:
    """The import of a name for the function's file, under a name that nothing else has."""
    return bind(site.module, source, name, bound(site))


def atomic_import(site: Site) -> tuple[str, Import | None]:
    """How the file calls `transaction.atomic`, and the import for it."""
    for each in find(site.module, cst.ImportFrom):
        names = () if isinstance(each.names, cst.ImportStar) else each.names
        here = each.module is not None and site.code(each.module) == "django.db.transaction"
        if here and any(alias.evaluated_name == "atomic" and alias.asname is None for alias in names):
            return "atomic", None
    transaction = needed(site, "django.db", "transaction")
    return f"{transaction.local}.atomic", transaction


def f_import(site: Site) -> tuple[str, Import | None]:
    """How the file writes an F(): by its own name, by `models.F` where it has `models`, else with a new import."""
    f, models = needed(site, "django.db.models", "F"), needed(site, "django.db", "models")
    if has_import(site.module, f):
        return f.local, None
    return (f"{models.local}.F", None) if has_import(site.module, models) else (f.local, f)


def model_import(site: Site, name: str) -> Import | None:
    """The import of a model's class; None where the file has the class already."""
    model = site.models.get(name)
    has = {each.evaluated_alias or each.evaluated_name for each in find(site.module, cst.ImportAlias)}
    if model is None or model.path == site.hit.path or name in has:
        return None
    source = module_of(site.tree, model.path)
    near = f".{PurePosixPath(model.path).stem}"
    beside = PurePosixPath(model.path).parent == PurePosixPath(site.hit.path).parent
    if beside and any(source_of(each) == near for each in find(site.module, cst.ImportFrom)):
        return Import(near, name, name)
    return needed(site, _exporting(site, source, name), name)


def _exporting(site: Site, source: str, name: str) -> str:
    """The package that the file imports from already and that has the name, else the module that defines it."""
    for each in find(site.module, cst.ImportFrom):
        package = source_of(each)
        if source.startswith(f"{package}."):
            folder = package.replace(".", "/")
            texts = [
                site.source.text(path) or ""
                for path in (f"{folder}/__init__.py", f"src/{folder}/__init__.py")
            ]
            if any(re.search(rf"\b{name}\b", text) for text in texts):
                return package
    return source
