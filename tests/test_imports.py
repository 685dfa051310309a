"""Who may import whom, and what no line of the source may do; by syntax tree."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "ferlab"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in FILES}
PACKAGES = {path.parent.relative_to(SOURCE).parts[0] for path in FILES if path.parent != SOURCE}
# Each imports those before it at most.
GROUND = ("errors", "expressions", "files", "commandline", "images", "values", "config", "cli")
COMMANDS = {name.removesuffix(".py") for name in TREES if "/" not in name} - {*GROUND, "__init__"}

# Each package, and the packages that it may import beside the ground files: no two import each other.
MAY_IMPORT = {
    "nets": (),
    "inference": (),
    "data": ("inference",),
    "metrics": ("data",),
    "runs": ("data",),
    "predictors": ("nets", "inference", "runs"),
    "pages": ("data", "metrics"),
    "ensembling": ("data", "metrics", "predictors", "runs", "pages"),
    "evaluation": ("data", "inference", "metrics", "runs", "predictors", "pages", "ensembling"),
    "jobs": ("runs",),
    "training": ("nets", "data", "inference", "runs", "predictors", "ensembling", "jobs"),
    "studies": ("data", "metrics", "runs", "predictors", "pages", "ensembling", "evaluation"),
    "deploy": ("nets", "data", "inference", "metrics", "runs", "predictors", "pages", "ensembling", "evaluation"),
    "reporting": ("data", "inference", "metrics", "runs", "predictors", "pages", "ensembling", "evaluation", "studies"),
}
# Each library, and the packages and commands that may import it.
LIBRARIES = {
    "torch": (
        *("nets", "ensembling", "evaluation", "training", "studies", "deploy"),
        *(
            "data/affine.py",
            "data/augment.py",
            "data/batches.py",
            "data/camera.py",
            "data/datamodule.py",
            "data/uniforms.py",
        ),
        *("runs/checkpoints.py", "runs/provenance.py"),
        *("predictors/of_run.py", "predictors/predictor.py", "predictors/warping.py", "predictors/zoo.py"),
    ),
    "pytorch_lightning": ("data/datamodule.py", "training"),
    "hydra": ("cli.py", "config.py", "reproduce.py", "jobs/typed.py", "jobs/sweep_record.py"),
    "omegaconf": ("cli.py", "config.py", "reproduce.py", "jobs/typed.py", "jobs/sweep_record.py"),
    "albumentations": ("data/augment.py", "data/affine.py", "data/camera.py"),
    "wandb": ("training/loggers.py", "training/wandb_runs.py"),
    "onnx": ("deploy",),
    "onnxruntime": ("inference", "deploy"),
}


def imported(name: str) -> set[str]:
    """Every module that a file imports, anywhere in it, as `ferlab.data.store` or `numpy`."""
    found: set[str] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found |= {f"{node.module}.{alias.name}" if _is_module(node.module, alias.name) else node.module
                      for alias in node.names}  # fmt: skip
    return found


def _is_module(package: str, name: str) -> bool:
    if package.split(".")[0] != "ferlab":
        return False
    path = SOURCE.joinpath(*package.split(".")[1:], name)
    return path.is_dir() or path.with_suffix(".py").is_file()


def of_ferlab(name: str) -> set[str]:
    return {module.removeprefix("ferlab.") for module in imported(name) if module.split(".")[0] == "ferlab"}


def test_the_top_level_holds_commands_and_ground_files():
    assert {"train", "evaluate", "predict", "sweeps"} <= COMMANDS
    assert len(COMMANDS) + len(GROUND) <= 24
    assert set(MAY_IMPORT) == PACKAGES


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_below_it(package):
    places = list(MAY_IMPORT)
    assert all(places.index(other) < places.index(package) for other in MAY_IMPORT[package])
    allowed = {package, *MAY_IMPORT[package], *GROUND}
    for name in (name for name in TREES if name.split("/")[0] == package):
        assert {module.split(".")[0] for module in of_ferlab(name)} <= allowed, name


@pytest.mark.parametrize("name", GROUND)
def test_a_ground_file_imports_those_before_it(name):
    assert of_ferlab(f"{name}.py") <= set(GROUND[: GROUND.index(name)])


@pytest.mark.parametrize("name", TREES)
def test_nobody_imports_a_command(name):
    assert not of_ferlab(name) & COMMANDS


def test_only_commands_and_the_record_of_a_sweep_know_how_a_command_starts():
    knowing = {name for name in TREES if "cli" in of_ferlab(name)}
    assert knowing - {f"{name}.py" for name in COMMANDS} == {"jobs/sweep_record.py"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_stays_where_its_work_is(library):
    using = {name for name in TREES if any(module.split(".")[0] == library for module in imported(name))}
    assert {name for name in using if not name.startswith(LIBRARIES[library])} == set()


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_says_in_one_sentence_what_it_is(package):
    words = ast.get_docstring(TREES[f"{package}/__init__.py"])
    assert words
    assert words.count(". ") == 0
    assert words.endswith(".")


def test_only_evaluate_knows_what_was_best_on_test():
    knowing = {name for name in TREES if "ensembling.selection_gap" in of_ferlab(name)}
    assert knowing <= {"evaluate.py", "evaluation/measuring.py"}


def test_prediction_needs_neither_torch_nor_conf():
    """The predictor is installed without the extra [train]: what it imports, also through others, must be there."""
    todo, seen, outside = ["predict.py"], set(), set()
    while todo:
        name = todo.pop()
        seen.add(name)
        outside |= {m.split(".")[0] for m in imported(name)}
        for module in of_ferlab(name):
            path = module.replace(".", "/")
            parents = [f"{folder}/__init__.py" for folder in (path, *map(str, Path(path).parents))]
            todo += [file for file in (f"{path}.py", *parents) if file in TREES and file not in seen]
    assert {"inference/onnx_model.py", "inference/detector.py", "images.py"} <= seen
    assert {name.split("/")[0] for name in seen if "/" in name} == {"inference"}
    optional = {"pillow_heif", "matplotlib", "pandas"}
    assert outside - set(sys.stdlib_module_names) - optional == {"numpy", "onnxruntime", "PIL", "cv2", "rich", "ferlab"}


def _calls(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


def test_every_net_s_device_comes_from_where_the_process_is_made_ready():
    """Heap pages are kept, and busy cores hinted at, in each command: none has a device from elsewhere."""
    calls = [(name, function, node.args) for name in TREES for node, function, _ in _calls(TREES[name])]
    made = {name for name, function, args in calls if function == "torch.device" and ast.unparse(args[0]) != "'meta'"}
    assert made == {"predictors/predictor.py"}  # device_of
    assert {name for name, function, _ in calls if function == "heap.ready"} == {*made, "training/fit.py"}


def test_files_alone_writes_files():
    """There what the disk refuses names the file; the rest are streams and folders that handle it themselves."""
    own = {"durable_checkpoints.py", "prediction_files.py", "store_folder.py", "ledger.py", "scheduler.py", "files.py"}
    for name in (name for name in TREES if Path(name).name not in own):
        for node, function, _ in _calls(TREES[name]):
            method = function.split(".")[-1]
            writes = method in {"write_text", "write_bytes"} and function not in {method, f"files.{method}"}
            opens = method == "open" and any(ast.unparse(argument)[:2] in {"'w", "'a"} for argument in node.args)
            assert not writes | opens | (function in {"np.save", "np.savetxt"}), f"{name}:{node.lineno} {function}"


@pytest.mark.parametrize("name", TREES)
def test_no_line_runs_what_a_file_says(name):
    for node, function, keywords in _calls(TREES[name]):
        where = f"{name}:{node.lineno} {function}"
        assert function not in {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}, where
        assert function.split(".")[0] not in {"pickle", "marshal", "shelve", "joblib", "dill"}, where
        assert function not in {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.hub.load"}, where
        assert keywords.get("shell", "False") == "False", where
        assert keywords.get("allow_pickle", "False") == "False", where
        if function == "torch.load":
            assert keywords.get("weights_only") == "True", where
    assert not imported(name) & {"pickle", "marshal", "shelve", "joblib", "dill"}


def test_unpickle_has_nothing_of_pickle_but_what_it_restricts():
    tree = ast.parse((SOURCE.parents[1] / "tools" / "unpickle.py").read_text())
    froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "pickle"]
    assert [alias.name for node in froms for alias in node.names] == ["Unpickler", "UnpicklingError"]
    assert not any(a.name == "pickle" for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names)
    (restricted,) = [
        n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and "Unpickler" in map(ast.unparse, n.bases)
    ]
    assert "find_class" in {function.name for function in restricted.body if isinstance(function, ast.FunctionDef)}
    used = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "Unpickler"]
    assert used == restricted.bases
