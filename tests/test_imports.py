"""Who may import whom (docs: the flow has one direction), and what no line of the source may do; by syntax tree."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "ferlab"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in FILES}
_STARTS = ("@command(", "ArgumentParser(")
COMMANDS = {n.removesuffix(".py") for n in TREES if any(word in (SOURCE / n).read_text() for word in _STARTS)}


def imported(name: str) -> set[str]:
    """Every module a file imports, anywhere in it, as `ferlab.data.store` or `numpy`."""
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


def importers(*libraries: str) -> set[str]:
    return {name for name in TREES if any(module.split(".")[0] in libraries for module in imported(name))}


def test_commands_are_found():
    assert {"prepare", "train", "ensemble", "evaluate", "compare", "export", "predict"} <= COMMANDS
    assert {"calibrate", "robustness", "explain", "analyse", "summarise", "describe"} <= COMMANDS


@pytest.mark.parametrize("name", TREES)
def test_nobody_imports_a_command(name):
    assert not of_ferlab(name) & COMMANDS


@pytest.mark.parametrize(
    "name", ["expressions.py", "preprocess.py", "errors.py", *(n for n in TREES if n.startswith("nets/"))]
)
def test_what_stands_at_the_start_of_the_flow_imports_nothing_of_ferlab(name):
    assert of_ferlab(name) <= {"errors", "nets.heads", "nets.dlib_resnet"}


@pytest.mark.parametrize("name", [n for n in TREES if n.startswith("data/")])
def test_data_looks_at_nothing_after_it(name):
    assert {m for m in of_ferlab(name) if m.split(".")[0] != "data"} <= {"expressions", "preprocess", "errors"}


def test_predictors_are_torch_and_numpy():
    outside = {m.split(".")[0] for m in imported("predictors.py")}
    assert outside <= {"torch", "numpy", "math", "collections", "typing", "ferlab"}
    assert of_ferlab("predictors.py") == {"views"}
    assert {m.split(".")[0] for m in imported("views.py")} <= {"torch", "math", "random", "collections", "typing"}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("classifier.py", {"preprocess", "errors", "freeze", "sam"}),
        ("freeze.py", {"errors"}),
        ("sam.py", set()),
        ("dlib_file.py", {"nets.dlib_resnet"}),
        ("ema.py", set()),
        ("checkpoints.py", {"errors"}),
        ("ledger.py", {"errors"}),
        ("selection.py", {"errors"}),
        ("diversity.py", {"drawing", "expressions"}),
        ("answers.py", {"expressions", "errors", "predictors", "runs", "views"}),
        ("choosing.py", {"evaluation", "selection", "views"}),
        ("specialists.py", {"expressions", "errors", "predictors", "report", "runs", "tables"}),
        ("hindsight.py", {"ensembles", "selection"}),
        ("report.py", {"expressions", "data.faces", "report_page", "errors"}),
        ("cli.py", {"errors"}),
        ("onnx_model.py", {"expressions", "errors"}),
        ("abstention.py", {"report", "errors"}),
        ("detector.py", {"errors"}),
        ("tracks.py", {"detector"}),
        ("label_orders.py", {"expressions", "errors"}),
        ("media.py", {"data.sources.images", "errors"}),
        ("annotate.py", {"face_expressions"}),
        ("prediction_files.py", {"face_expressions", "label_orders", "expressions", "errors"}),
        ("onnx_graph.py", {"preprocess", "data.faces", "onnx_model", "errors"}),
        ("onnx_evaluation.py", {"evaluation", "ledger", "onnx_model", "report", "runs", "errors"}),
        ("models/__init__.py", {"errors"}),
        ("calibration.py", {"errors", "selection"}),
        ("drawing.py", set()),
        ("page.py", {"drawing", "expressions", "data.faces"}),
        ("study_page.py", {"drawing", "page"}),
        ("analysis_page.py", {"page", "study_page"}),
        ("calibration_page.py", {"page", "report", "study_page"}),
        ("robustness_page.py", {"page", "study_page"}),
        ("comparison.py", {"tables", "errors"}),
        ("records.py", {"comparison", "drawing", "ensembles", "errors", "page", "report", "runs", "tables", "views"}),
        ("study_tables.py", {"page", "records", "study_page"}),
        ("data_card.py", {"expressions", "tables"}),
        ("model_card.py", {"comparison", "expressions", "model_limits", "page", "records", "report", "tables"}),
        ("model_limits.py", {"expressions", "page", "records", "report", "tables"}),
        ("attribution.py", {"data.faces", "errors"}),
        ("attribution_checks.py", {"data.faces"}),
        ("face_regions.py", {"data.faces"}),
        ("second_opinion.py", {"data.faces", "data.sources.ferplus", "errors", "expressions"}),
    ],
)
def test_library_files_know_only_what_they_need(name, known):
    assert of_ferlab(name) <= known


@pytest.mark.parametrize("name", ["summarise.py", "summary_page.py", "describe.py", "model_card.py", "data_card.py"])
def test_what_only_tells_can_neither_measure_nor_open_data(name):
    assert not of_ferlab(name) & {"evaluation", "studies", "predictors", "data.faces", "data.sources"}


@pytest.mark.parametrize("name", [n for n in TREES if n not in ("evaluation.py", "evaluate.py")])
def test_nothing_that_chooses_knows_what_was_best_on_test(name):
    assert "hindsight" not in of_ferlab(name)


@pytest.mark.parametrize("name", ["onnx_model.py", "models/__init__.py", "expressions.py", "errors.py", "__init__.py"])
def test_an_exported_model_needs_neither_torch_nor_conf(name):
    """The predictor is installed without the extra [train]: what it imports must be there."""
    outside = {m.split(".")[0] for m in imported(name)} - set(sys.stdlib_module_names)
    assert outside <= {"numpy", "onnxruntime", "ferlab"}


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
    assert {"onnx_model.py", "detector.py", "data/sources/__init__.py", "data/sources/images.py"} <= seen
    assert outside - set(sys.stdlib_module_names) == {"numpy", "onnxruntime", "PIL", "cv2", "rich", "ferlab"}


def test_onnx_is_written_in_few_places():
    assert importers("onnx", "onnxscript") <= {"onnx_graph.py", "exports.py", "export.py"}
    assert importers("onnxruntime") <= {"detector.py", "onnx_model.py", "onnx_graph.py", "exports.py"}


def test_lightning_stays_where_training_is():
    allowed = {"classifier.py", "data/datamodule.py", "ema.py", "checkpoints.py", "logs.py", "train.py", "fitting.py"}
    assert importers("pytorch_lightning", "lightning", "lightning_fabric") <= allowed


def test_hydra_stays_in_commands():
    assert importers("hydra", "omegaconf") <= {"cli.py", "runs.py", *(f"{name}.py" for name in COMMANDS)}


def test_albumentations_stays_in_augmentation():
    assert importers("albumentations") <= {"data/augment.py", "data/warp.py"}


def test_wandb_stays_in_logs():
    assert importers("wandb") <= {"logs.py"}


def _calls(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


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
    if name != "unpickle.py":
        assert not imported(name) & {"pickle", "marshal", "shelve", "joblib", "dill"}


def test_unpickle_has_nothing_of_pickle_but_what_it_restricts():
    tree = TREES["unpickle.py"]
    froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "pickle"]
    assert [alias.name for node in froms for alias in node.names] == ["Unpickler", "UnpicklingError"]
    assert not any(a.name == "pickle" for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names)
    (restricted,) = [
        n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and "Unpickler" in map(ast.unparse, n.bases)
    ]
    assert "find_class" in {function.name for function in restricted.body if isinstance(function, ast.FunctionDef)}
    used = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "Unpickler"]
    assert used == restricted.bases
