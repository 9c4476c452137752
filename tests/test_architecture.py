"""The shape of the package: imports, layers, module sizes, tables in step with the code."""

import ast
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import ace_nwb
from ace_nwb.nwb import layout
from ace_nwb.nwb.session import open_session
from ace_nwb.pipeline import process
from ace_nwb.stages.table import STAGES
from tests.fixtures.session_files import write_session_file

PACKAGE = Path(ace_nwb.__file__).parent
REPOSITORY = PACKAGE.parent
HEAVY = ("pynwb", "hdmf", "h5py", "neuroconv", "numba", "matplotlib", "panel", "pandas", "scipy")
MODULES_OF_HELP = 520
"""Of them 460 in `process --help`, CPython 3.11; with numpy 620."""
MODULES_OF_STATUS = 620
"""Of them 552 in `process`, CPython 3.11; with pynwb 1,500, which take a second of CPU."""
TOPICLESS = {"utils", "helpers", "common", "misc", "tools"}

MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.fixture(scope="module")
def session_with_history(tmp_path_factory):
    path = write_session_file(tmp_path_factory.mktemp("history") / "session.nwb").path
    process(path, "preprocess")
    return path


def loaded_by(*arguments: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter ends up with."""
    code = "\n".join(["import sys", *arguments, "print(*sys.modules)"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_by("import ace_nwb") & set(HEAVY)


@pytest.mark.parametrize("verb", [["--help"], ["list", "stages"], ["process", "--help"]], ids=str)
def test_what_opens_no_file_loads_nothing_heavy(verb):
    loaded = loaded_by("from ace_nwb.cli import run", f"run({verb})")
    assert not loaded & {"numpy", *HEAVY}
    assert ("pydantic" in loaded) == (verb != ["--help"])
    assert len(loaded) < MODULES_OF_HELP


@pytest.mark.parametrize(
    "verb",
    [["status"], ["history"], ["history", "--as-pipeline"], ["process", "preprocess"]],
    ids=" ".join,
)
def test_what_the_history_answers_is_told_with_h5py_alone(verb, session_with_history):
    loaded = loaded_by("from ace_nwb.cli import run", f"run({[*verb, str(session_with_history)]})")
    assert loaded & set(HEAVY) == {"h5py"}
    assert len(loaded) < MODULES_OF_STATUS


def test_a_stage_writes_its_results_with_h5py_alone(session_with_history, tmp_path):
    path = shutil.copy(session_with_history, tmp_path)
    verbs = [["preprocess", "--force"], ["motion"], ["summary"]]
    runs = [f"run({['process', *verb, path]})" for verb in verbs]
    assert not loaded_by("from ace_nwb.cli import run", *runs) & {"pynwb", "hdmf", "pandas"}
    with open_session(path) as session:
        assert session.has(layout.MOTION_SHIFTS)
        assert session.has(layout.IMAGES)


def test_a_stage_begins_to_calculate_before_pynwb_and_scipy_signal_are_loaded():
    loaded = loaded_by(
        "from ace_nwb.stages.table import STAGES", "[stage.load() for stage in STAGES.values()]"
    )
    assert not loaded & {"pynwb", "hdmf", "pandas", "scipy.signal", "scipy.stats"}


def test_import_contracts_hold():
    if not (REPOSITORY / ".importlinter").exists():
        pytest.skip("runs in a checkout")
    command = ["lint-imports", "--no-cache"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=" ".join)
def test_linter_and_formatter_have_nothing_to_say(arguments):
    if not (REPOSITORY / ".importlinter").exists():
        pytest.skip("runs in a checkout")
    command = ["ruff", *arguments, "--no-cache", "ace_nwb", "tests", "examples"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_modules_have_a_topic_a_docstring_and_a_readable_length():
    texts = {path: path.read_text(encoding="utf-8") for path in MODULES}
    assert [path for path in MODULES if path.stem in TOPICLESS] == []
    assert [path for path, text in texts.items() if len(text.splitlines()) > 400] == []
    untold = [path for path, text in texts.items() if not ast.get_docstring(ast.parse(text))]
    assert untold == [], "what is here, and where is the rest?"


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path: Path) -> set[str]:
    """Return what a module imports of ours when it runs, also inside its functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    for_types = [n for n in blocks if getattr(n.test, "id", "") == "TYPE_CHECKING"]
    skipped = {id(inner) for block in for_types for inner in ast.walk(block)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def find_circle(imports: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in a circle, or none."""
    within = {name: {one for one in found if one in imports} for name, found in imports.items()}
    try:
        TopologicalSorter(within).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other_in_a_circle():
    files = [path for path in MODULES if path.name != "__init__.py"]
    assert find_circle({module_name(path): imported_by(path) for path in files}) == []


def test_a_circle_is_seen(tmp_path):
    (tmp_path / "a.py").write_text("from x.b import f", encoding="utf-8")
    (tmp_path / "b.py").write_text("def f():\n    from x import a", encoding="utf-8")
    imports = {f"x.{name}": imported_by(tmp_path / f"{name}.py") for name in "ab"}
    assert set(find_circle(imports)) == {"x.a", "x.b"}


def is_number(value: ast.expr | None) -> bool:
    """Return whether an expression is a number, or several, written out."""
    if isinstance(value, ast.Constant):
        return type(value.value) in (int, float)
    if isinstance(value, ast.UnaryOp):
        return is_number(value.operand)
    if isinstance(value, ast.BinOp):
        return is_number(value.left) and is_number(value.right)
    return isinstance(value, ast.Tuple) and bool(value.elts) and all(map(is_number, value.elts))


def without_a_why(text: str) -> list[int]:
    """Return the lines of constants that no comment and no docstring explains.

    The comment of a constant stands behind it or above its block, a docstring below; a constant
    directly above one that is explained shares its words.
    """
    lines, body = text.splitlines(), ast.parse(text).body
    found, is_explained = [], False
    numbers = {n.lineno for n in body if isinstance(n, ast.Assign) and is_number(n.value)}
    for node, after in reversed(list(zip(body, [*body[1:], None], strict=True))):
        if isinstance(node, ast.Expr):
            continue
        is_constant = isinstance(node, ast.Assign | ast.AnnAssign) and is_number(node.value)
        touches = after is not None and after.lineno == node.end_lineno + 1
        is_explained = is_constant and (
            (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
            or "#" in lines[node.end_lineno - 1]
            or (touches and is_explained)
        )
        above = node.lineno - 1
        while above in numbers:
            above -= 1
        if is_constant and not is_explained and not lines[max(above, 1) - 1].startswith("#"):
            found.append(node.lineno)
    return found


def test_every_number_has_its_why():
    found = {path.name: without_a_why(path.read_text(encoding="utf-8")) for path in MODULES}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_a_number_without_a_why_is_seen():
    assert without_a_why("A = 3\n") == [1]
    assert without_a_why('A = -2.5  # seconds\nB = (1, 2)\nC = 4\n"""Shared."""\n') == []
    assert without_a_why("# of the format\nA = f()\nB = 4\n") == [3]
    assert without_a_why("# of the format\nA = 3\nB = 4\n\nC = 5\n") == [5]


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def test_functions_are_short_enough_to_read():
    long = {
        f"{path.relative_to(PACKAGE)}:{f.name}": f.end_lineno - f.body[0].end_lineno
        for path in MODULES
        for f in functions(path)
        if f.end_lineno - f.body[0].end_lineno > 70
    }
    assert not long


def test_every_stage_of_the_table_has_its_two_functions():
    for stage in STAGES.values():
        module = stage.load()
        assert callable(module.compute)
        assert callable(module.write)


def test_stages_read_only_from_stages_above_them():
    earlier: set[str] = set()
    for stage in STAGES.values():
        assert set(stage.inputs) <= earlier
        earlier.add(stage.name)


def test_every_stage_parameter_is_described():
    for stage in STAGES.values():
        for name, field in stage.params.model_fields.items():
            assert field.description, f"{stage.name}.{name}"


DOORS = ("new_file", "journal", "disk", "lock", "held_file")
DOOR = ("nwb/opening.py", *(f"nwb/commit/{name}.py" for name in DOORS))
ELSEWHERE = {
    "simulation/": "makes the raw recordings of the demo and of tests",
    "engines/caiman/": "a temporary folder that CaImAn's own process reads",
    "imaging/packing.py": "a temporary file for the blocks of one pass",
    "batch/blocks.py": "a temporary folder through which workers of a cluster hand on blocks",
    "batch/worker.py": "the state of a session, every second anew; a lost one counts as none",
    "batch/launch.py": "the log of a session, which grows",
    "nwb/commit/scratch.py": "what an interrupted stage goes on from, with a checksum",
    "nwb/zarr/": "the folder that the door has given",
    "doctor.py": "tries what the disk can do",
    "cli/__init__.py": "the null device in place of a closed output",
}
"""Where else something is written, and why that is no file of the user."""

WRITING_METHODS = {"write_text", "write_bytes", "touch", "tofile", "hardlink_to", "symlink_to"}
WRITING_FUNCTIONS = {"savez", "savez_compressed", "savetxt", "savemat", "savefig", "to_csv"}
COPYING = {"copy", "copy2", "copyfile", "copytree", "move"}
STREAMS = {"stream", "text", "target", "facts", "buffer", "arrays", "container"}


def test_nobody_writes_with_tofile():
    """NumPy does not say that the disk is full when it closes its own stream."""
    assert [path for path in MODULES if ".tofile(" in path.read_text(encoding="utf-8")] == []


def test_links_are_visited_where_ctrl_c_comes_through():
    """What a callback raises h5py turns into a SystemError."""
    using = [p.name for p in MODULES if ".links.visit(" in p.read_text(encoding="utf-8")]
    assert using == ["links.py"]


def writes_a_file(call: ast.Call) -> bool:
    """Return whether a call opens or writes a file by its path."""
    function, first = call.func, call.args[0] if call.args else None
    name = getattr(function, "attr", getattr(function, "id", ""))
    owner = getattr(getattr(function, "value", None), "id", "")
    modes = [*call.args[:2], *(k.value for k in call.keywords if k.arg == "mode")]
    is_writing = any(
        isinstance(mode, ast.Constant)
        and isinstance(mode.value, str)
        and 0 < len(mode.value) <= 4
        and set(mode.value) <= set("rwxabt+")
        and set(mode.value) & set("wxa+")
        for mode in modes
    )
    is_stream = isinstance(first, ast.Name) and first.id in STREAMS
    if name in {"open", "File", "FileIO", "NWBHDF5IO", "memmap", "open_group"} and is_writing:
        return not is_stream and not any(k.arg == "file" for k in call.keywords)
    if owner == "os":
        return name == "open"
    if owner == "shutil":
        return name in COPYING
    return name in WRITING_METHODS or (name in WRITING_FUNCTIONS and not is_stream)


def test_files_are_written_through_the_door_alone():
    """A lock first, written beside, checked, durable, renamed: nwb/commit/new_file.py."""
    found = []
    for path in MODULES:
        place = path.relative_to(PACKAGE).as_posix()
        if place not in DOOR and not place.startswith(tuple(ELSEWHERE)):
            calls = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            found += [
                f"{place}:{call.lineno}"
                for call in calls
                if isinstance(call, ast.Call) and writes_a_file(call)
            ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "is_writing"),
    [
        ('path.open("w")', True),
        ('open(path, mode="ab")', True),
        ('h5py.File(path, "r+")', True),
        ("figure.savefig(path)", True),
        ('path.write_text("x")', True),
        ("shutil.copy(a, b)", True),
        ("path.open()", False),
        ('h5py.File(path, "r")', False),
        ("figure.savefig(stream)", False),
    ],
)
def test_a_file_that_is_written_is_seen(code, is_writing):
    assert writes_a_file(ast.parse(code).body[0].value) == is_writing
