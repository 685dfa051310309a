"""Every file in conf/ composes, builds and runs as typed; the cases come from conf/ itself."""

import csv
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException
from PIL import Image

from ferlab import cli
from ferlab.config import CONF, build, plain
from ferlab.data.augment import Augment
from ferlab.data.store import root_of
from ferlab.errors import FerlabError
from ferlab.expressions import K
from ferlab.predictors import of_run
from ferlab.runs import directory
from ferlab.training import fit as training
from tests.composing import composed
from tests.conftest import made_faces

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    group: sorted(path.stem for path in (ROOT / "conf" / group).glob("[!_]*.yaml"))
    for group in ("model", "data", "augment", "experiment")
}
PARTS = ("command", "abstention")  # of several commands
COMMANDS = sorted(path.stem for path in (ROOT / "conf").glob("*.yaml") if path.stem not in PARTS)
EVERY = [(group, name) for group, names in NAMES.items() for name in names]
# of each recipe the keys that have to be typed, and the words that say so
REQUIRED = {
    name: dict(re.findall(r'^(\w+): \$\{required:"(.*)"\}', (ROOT / f"conf/experiment/{name}.yaml").read_text(), re.M))
    for name in NAMES["experiment"]
}


def test_every_group_is_tested():
    assert {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()} - {"__pycache__", "paper"} == set(NAMES)
    assert all(NAMES.values())


@pytest.mark.parametrize("config", COMMANDS)
def test_every_command_composes_and_leaves_folders_and_files_to_ferlab(config):
    with initialize_config_dir(CONF, version_base="1.3"):
        whole = compose(config, return_hydra_config=True)
    hydra, outputs = whole.hydra, whole.get("outputs", "outputs")
    assert len(whole) > 1
    assert (hydra.output_subdir, hydra.run.dir, hydra.job.chdir) == (None, ".", False)
    assert hydra.sweep.dir.startswith(f"{outputs}/sweeps/2")
    assert hydra.job_logging.root.handlers == ["console"]
    assert set(hydra.job_logging.handlers) == {"console"}


def test_sweeps_lie_in_the_outputs_that_were_typed():
    with initialize_config_dir(CONF, version_base="1.3"):
        assert compose("train", ["outputs=x"], return_hydra_config=True).hydra.sweep.dir.startswith("x/sweeps/")


def test_the_home_folder_counts_in_every_path(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("FERLAB_DATA", "~/faces")
    with initialize_config_dir(CONF, version_base="1.3"):
        config = compose("train", ["outputs='~/out'", "teacher=['~/a','~']", "name='a~b'"], return_hydra_config=True)
    assert config.hydra.sweep.dir.startswith("/home/me/out/sweeps/")
    del config.hydra
    found = plain(config)
    assert (found["outputs"], found["data"]["root"]) == ("/home/me/out", "/home/me/faces")
    assert (found["teacher"], found["name"]) == (["/home/me/a", "/home/me"], "a~b")
    assert root_of(found["data"], recorded=True) == Path("/home/me/faces")


@pytest.mark.parametrize("config", COMMANDS)
def test_every_key_of_a_command_has_a_comment(config):
    lines = (ROOT / "conf" / f"{config}.yaml").read_text().partition("\nhydra:")[0].splitlines()
    bare = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if re.match(r" *(- )?\w+:", line) and "#" not in line and not above.lstrip().startswith("#")
    ]
    assert bare == ["defaults:"]


@pytest.mark.parametrize(("group", "name"), EVERY)
def test_every_file_composes_under_its_own_name(group, name):
    typed = [f"{key}=given" for key in REQUIRED[name]] if group == "experiment" else []
    config = composed(f"{group}={name}", *typed)
    if group in ("model", "data"):
        assert config[group]["name"] == name
        assert name in config["name"].split("-")
    assert re.fullmatch(r"[\w.+-]+", config["name"])  # so that it can be typed back as a value


@pytest.mark.parametrize("config", COMMANDS)
def test_no_key_has_the_name_of_a_group(config):
    # Hydra would take `model=x` for the choice of a file, and refuse it.
    keys = set(yaml.safe_load((ROOT / "conf" / f"{config}.yaml").read_text()))
    assert not keys & set(NAMES)


def test_every_key_says_what_train_reads(config, monkeypatch):
    """A key that nothing reads is a setting that does nothing."""
    read: set[str] = set()

    class Watched(dict):
        def __getitem__(self, key):
            read.add(key)
            return super().__getitem__(key)

    faces = made_faces(8, 8, 8)
    monkeypatch.setattr(training, "open_config", lambda *a, **k: faces)
    dump = yaml.safe_dump
    monkeypatch.setattr(yaml, "safe_dump", lambda watched, **k: dump(dict(watched), **k))
    answers = faces.of_split("train").targets
    found = SimpleNamespace(probabilities=lambda *a: answers, provenance={}, subject=SimpleNamespace(runs=()))
    monkeypatch.setattr("ferlab.training.compose.find", lambda *a: found)
    small = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "batch_size=4"]
    training.train(Watched(config(*small, "teacher=outputs/some")))
    assert set(config()) - read == set()


def missing(node, before: str = "") -> list[str]:
    """Keys whose value is `???`, as a.b.c."""
    found: list[str] = []
    for key, value in node.items():
        found += missing(value, f"{before}{key}.") if isinstance(value, dict) else [f"{before}{key}"] * (value == "???")
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_file_demands_a_key_in_vain(path):
    """OmegaConf keeps a default over a later `???`, and the recipe would run with it: ${required:...} replaces it."""
    assert missing(yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in REQUIRED for key in REQUIRED[name]])
def test_a_recipe_says_what_has_to_be_typed(name, key):
    with pytest.raises(FerlabError, match=f"^type {re.escape(REQUIRED[name][key])};"):
        composed(f"experiment={name}")
    assert REQUIRED[name][key].startswith(f"{key}=")
    assert composed(f"experiment={name}", f"{key}=given")[key] == "given"


def test_a_pretrained_net_is_not_trained_from_random_weights(tmp_path):
    small = ["data.n_train=70", "data.n_val=70", "data.n_test=70", "trainer.fast_dev_run=true", "wandb=off"]
    done = typed("-m", "ferlab.train", "experiment=pretrained", "data=drawn", *small, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("ferlab: type weights=")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("name", NAMES["augment"])
def test_every_augmentation_builds_and_keeps_faces(name):
    policy = [build(node) for node in composed(f"augment={name}")["augment"]["policy"]]
    augment = Augment(policy, seed=0)
    assert augment.path == "batched", augment.reason
    faces = made_faces(20).pixels[:20]
    out = augment.on_host(faces, np.arange(20), epoch=1)
    assert (out.shape, out.dtype) == (faces.shape, np.uint8)
    assert (out == faces).all() == (name == "none")


@pytest.mark.parametrize("name", NAMES["model"])
def test_every_model_gives_seven_logits_from_faces(name):
    """Shapes alone, which cost nothing on the meta device; the slow test below computes the large ones too."""
    config = composed(f"model={name}")
    with torch.device("meta"):
        net, preprocess = of_run.nets_of(config)
    size, channels = config["model"]["input"]["size"], config["model"]["input"]["channels"]
    x = preprocess.to("meta")(torch.zeros(2, 1, 48, 48, dtype=torch.uint8, device="meta"))
    assert x.shape == (2, channels, size, size)
    assert net.eval()(x).shape == (2, K)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("five_layer", "baseline") else pytest.mark.slow)
        for name in NAMES["model"]
    ],
)
def test_every_model_computes_seven_finite_logits(name):
    net, preprocess = of_run.nets_of(composed(f"model={name}"))
    with torch.inference_mode():
        logits = net.eval()(preprocess(torch.from_numpy(made_faces(2).pixels[:2]).unsqueeze(1)))
    assert logits.shape == (2, K)
    assert logits.isfinite().all()
    assert not torch.equal(logits[0], logits[1])


def test_the_line_of_the_readme_parses_without_quotes():
    config = composed("model=senet50", "data=fer2013+aux")
    assert config["name"] == "senet50-fer2013+aux-none-s0"
    assert config["model"]["net"]["backbone"] == "legacy_seresnet50"
    assert config["data"]["sources"] == composed("data=fer2013")["data"]["sources"]
    assert [source["name"] for source in config["data"]["auxiliary"]] == ["ck_plus", "jaffe", "aux"]


def test_a_typed_name_can_be_typed_back():
    parser = OverridesParser.create()
    for model, data in zip(NAMES["model"] * 2, NAMES["data"], strict=False):
        path = f"outputs/{composed(f'model={model}', f'data={data}')['name']}"
        assert parser.parse_override(f"runs={path}").value() == path


@pytest.mark.parametrize("group", ["model", "data", "augment", "experiment"])
def test_an_unknown_choice_lists_the_known(group):
    with pytest.raises(Exception, match="(?s)" + ".*".join(map(re.escape, NAMES[group]))):
        composed(f"{group}=absent")


@pytest.mark.parametrize("key", ["batchsize", "trainer.epochs", "model.net.widht", "data.rooot"])
def test_an_unknown_key_is_named(key):
    with pytest.raises(ConfigCompositionException, match=f"Could not override '{re.escape(key)}'"):
        composed(f"{key}=1")


def test_a_value_is_written_once_in_train_yaml():
    config = composed("seed=7", "class_weights=balanced", "outputs=elsewhere", "model=baseline")
    assert config["name"] == "baseline-drawn-balanced-s7"
    assert config["trainer"]["max_epochs"] == 150


@pytest.mark.parametrize("net", ["vgg16", "resnet50", "senet50"])
def test_a_cell_of_table_2_starts_from_its_start(net):
    cell, start = composed(f"experiment={net}"), composed(f"experiment={net}_start")
    assert cell["weights"] == f"outputs/{start['name']}/checkpoints/best.ckpt"
    assert cell["model"] == start["model"]
    assert cell["name"] == f"{net}-drawn-none-s0"  # as its row is published
    assert composed(f"experiment={net}_backbone") == start


def test_a_recipe_that_trains_batch_norm_says_so():
    with_norm = [n for n in NAMES["experiment"] if "vgg16" in n]
    assert {composed(f"experiment={n}")["model"]["net"]["backbone"] for n in with_norm} == {"vgg16_bn"}
    for name in ("vgg16", "vgg16_start", "vgg16_bn"):
        assert "VGG16 with batch norm" in (ROOT / f"conf/experiment/{name}.yaml").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda path: path.stem)
def test_no_comment_repeats_a_measured_accuracy(path):
    comments = re.findall(r"#.*", path.read_text())
    assert not [c for c in comments if re.search(r"(?<![\d.])[1-9]\d\.\d(?![\d.])", c)]


def test_demo_is_small():
    config = composed("experiment=demo")
    assert (config["model"]["name"], config["data"]["name"]) == ("five_layer", "drawn")
    assert config["trainer"]["max_epochs"] <= 10
    assert composed("experiment=demo", "trainer.max_epochs=1")["trainer"]["max_epochs"] == 1  # a typed value wins


@pytest.fixture
def data(tmp_path) -> Path:
    """A folder with fer2013.csv of 28 faces and two auxiliary pictures."""
    faces = made_faces(14, 7, 7)
    usage = ("Training", "PublicTest", "PrivateTest")
    (tmp_path / "data" / "fer2013").mkdir(parents=True)
    with (tmp_path / "data" / "fer2013" / "fer2013.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for face, label, split in zip(faces.pixels, faces.labels, faces.split, strict=True):
            rows.writerow([label, " ".join(map(str, face.ravel())), usage[split]])
    for k, name in enumerate(("happy", "sad")):
        (tmp_path / "data" / "aux" / name).mkdir(parents=True)
        Image.fromarray(made_faces(seed=k + 1).pixels[0]).save(tmp_path / "data" / "aux" / name / "0.png")
    return tmp_path / "data"


def typed(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess:
    hidden = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "FERLAB_"))}
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, env=hidden | environment, capture_output=True, text=True, timeout=240
    )


@pytest.mark.slow
def test_the_line_of_the_readme_trains_from_any_folder(data, tmp_path):
    cwd = tmp_path / "elsewhere"
    cwd.mkdir()
    words = ["-m", "ferlab.train", "model=senet50", "data=fer2013+aux", "trainer.max_epochs=1"]
    done = typed(*words, cwd=cwd, FERLAB_DATA=str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    run = directory.load(cwd / "outputs" / "senet50-fer2013+aux-none-s0")
    assert run.info["status"] == "finished"
    assert sum(run.info["class_counts"].values()) == 16  # 14 of FER2013, 2 auxiliary
    assert run.info["data"] == "fer2013+aux"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """ferlab as a wheel, built from a copy, because building leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("the wheel is built from what git tracks")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and name.split("/")[0] in (
            "src",
            "conf",
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "NOTICE",
        ):
            (folder / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "copy" / name).write_bytes((ROOT / name).read_bytes())
    words = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir"]
    done = typed(*words, str(folder), str(folder / "copy"), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_every_source_and_every_conf(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    conf = {f"ferlab/conf/{p.relative_to(ROOT / 'conf').as_posix()}" for p in (ROOT / "conf").rglob("*.yaml")}
    source = {
        f"ferlab/{p.relative_to(ROOT / 'src' / 'ferlab').as_posix()}" for p in Path(cli.__file__).parent.rglob("*.py")
    }
    assert {"ferlab/conf/data/fer2013+aux.yaml", "ferlab/conf/train.yaml"} <= conf
    assert conf - held == set()
    assert source - held == set()
    assert {"ferlab/py.typed", "ferlab/pages/templates/report.html", "ferlab/inference/models/face_short.onnx"} <= held
    assert any(name.endswith("licenses/NOTICE") for name in held)


@pytest.mark.slow
def test_the_wheel_trains_with_its_own_conf(wheel, data, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    where = typed("-c", "import ferlab.config as c; print(c.__file__, c.CONF)", cwd=tmp_path, PYTHONPATH=str(site))
    assert where.stdout.split() == [str(site / "ferlab" / "config.py"), str(site / "ferlab" / "conf")], where.stderr
    words = [
        "-m",
        "ferlab.train",
        "model=five_layer",
        "data=fer2013+aux",
        "trainer.max_epochs=1",
        "wandb=off",
    ]
    done = typed(*words, cwd=tmp_path, PYTHONPATH=str(site), FERLAB_DATA=str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "outputs" / "five_layer-fer2013+aux-none-s0" / "run.json").is_file()
