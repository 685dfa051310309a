"""Distillation: kept answers are what the teacher says, and training uses them and nothing else."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from ferlab import files
from ferlab.errors import FerlabError
from ferlab.expressions import EXPRESSIONS
from ferlab.predictors import predictor, views
from ferlab.predictors.of_run import predictor_of
from ferlab.predictors.warping import warp
from ferlab.runs import checkpoints, directory
from ferlab.training import compose, teacher
from ferlab.training import fit as training
from ferlab.training.classifier import ExpressionClassifier
from tests.composing import composed
from tests.conftest import made_faces

FACES = made_faces(48, 14, 14)


@pytest.fixture
def train(config, monkeypatch):
    monkeypatch.setattr(training, "open_config", lambda *a, **k: FACES)
    return lambda *overrides: training.train(config("trainer.max_epochs=1", "batch_size=16", *overrides))


@pytest.fixture(scope="module")
def trained_teachers(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teachers")
    words = ["+model.net.width=0.25", "batch_size=16", "trainer.max_epochs=1", "trainer.accelerator=cpu", "wandb=off"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "open_config", lambda *a, **k: FACES)
        for seed in (0, 1):
            training.train(composed(*words, "trainer.enable_progress_bar=false", f"outputs={folder}", f"seed={seed}"))
    return folder


@pytest.fixture
def teachers(trained_teachers, tmp_path) -> list[directory.Run]:
    """Copies of two trained runs, which a test may spoil."""
    shutil.copytree(trained_teachers, tmp_path / "outputs")
    return [directory.load(path) for path in sorted((tmp_path / "outputs").iterdir())]


def by_hand(members: list[directory.Run], pixels: np.ndarray, tta: str = "none") -> np.ndarray:
    """Mean over members and views of the softmax, without predictors' own averaging."""
    total = np.zeros((len(pixels), 7))
    faces = torch.from_numpy(pixels.copy()).unsqueeze(1)
    for run in members:
        model = predictor_of(run)
        for view in views.VIEWS[tta]:
            with torch.inference_mode():
                logits = model.net(model.preprocess(warp(faces, view)))
            total += softmax(logits.double().numpy(), axis=1) / len(views.VIEWS[tta]) / len(members)
    return total


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_answers_are_the_mean_of_members_and_views(teachers, tmp_path, tta):
    asked = teacher.find(str(tmp_path / "outputs" / "five_layer-*"), tta, tmp_path / "kept")
    answers = asked.probabilities(FACES.pixels, "cpu")
    np.testing.assert_allclose(answers, by_hand(teachers, FACES.pixels, tta), atol=1e-5)
    assert asked.provenance["members"] == [run.name for run in teachers]


def test_a_face_is_asked_once_whatever_its_place(teachers, tmp_path, monkeypatch):
    asked = teacher.find([str(run.path) for run in teachers], "none", tmp_path)
    first = asked.probabilities(FACES.pixels[:20], "cpu")
    sizes, predict = [], predictor.predict_views

    def counted(model, pixels, *args):
        sizes.append(len(pixels))
        return predict(model, pixels, *args)

    monkeypatch.setattr(predictor, "predict_views", counted)
    mixed = np.array([25, 3, 3, 19, 25, 0])
    again = teacher.find([str(run.path) for run in teachers[::-1]], "none", tmp_path)  # members in another order
    answers = again.probabilities(FACES.pixels[mixed], "cpu")
    assert sizes == [1, 1]  # face 25, which stands twice, by either run
    np.testing.assert_array_equal(answers[[1, 2, 3, 5]], first[[3, 3, 19, 0]])
    np.testing.assert_allclose(answers, by_hand(teachers, FACES.pixels[mixed]), atol=1e-5)
    assert len(list(tmp_path.glob("*.npz"))) == 1
    assert not list(tmp_path.glob("*.part"))


def test_the_file_alone_answers_for_the_faces_it_holds(teachers, tmp_path):
    runs_ = teacher.find(str(teachers[0].path), "flip", tmp_path)
    answers = runs_.probabilities(FACES.pixels[:10], "cpu")
    alone = teacher.find(str(runs_.file), "flip", tmp_path / "elsewhere")
    np.testing.assert_array_equal(alone.probabilities(FACES.pixels[9::-1], "cpu"), answers[::-1])
    with pytest.raises(FerlabError, match="no probabilities of 2 of 12 training faces"):
        alone.probabilities(FACES.pixels[:12], "cpu")
    with pytest.raises(FerlabError, match="teacher_tta=flip, not none"):
        teacher.find(str(runs_.file), "none", tmp_path)


def test_other_weights_or_views_are_another_teacher(teachers, tmp_path):
    files = {
        teacher.find(str(teachers[0].path), "none", tmp_path).file,
        teacher.find(str(teachers[1].path), "none", tmp_path).file,
        teacher.find(str(teachers[0].path), "flip", tmp_path).file,
        teacher.find([str(run.path) for run in teachers], "none", tmp_path).file,
    }
    assert len(files) == 4


def test_an_ensembles_directory_stands_for_its_members(teachers, tmp_path):
    folder = tmp_path / "ensembles" / "both"
    folder.mkdir(parents=True)
    files.write_json(folder / directory.MEMBERS, [{"name": r.name, "path": r.path.as_posix()} for r in teachers])
    assert teacher.find(str(folder), "none", tmp_path).subject.runs == tuple(teachers)


def test_another_label_order_is_refused_before_training(teachers, train, tmp_path):
    info = json.loads((teachers[0].path / directory.INFO).read_text())
    assert info["expressions"] == list(EXPRESSIONS)
    info["expressions"] = sorted(EXPRESSIONS)[::-1]
    (teachers[0].path / directory.INFO).write_text(json.dumps(info))
    with pytest.raises(FerlabError, match=r"answers in the order surprise, sad.*expected angry, disgust"):
        train(f"teacher={teachers[0].path}", "name=pupil")
    assert not (tmp_path / "outputs" / "pupil").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("absent.npz", "teacher=absent.npz is no file"),
        ("outputs/absent*", r"teacher='outputs/absent\*' matches no run directory"),
    ],
)
def test_a_teacher_that_is_not_there_is_refused(train, tmp_path, value, message):
    with pytest.raises(FerlabError, match=message):
        train(f"teacher='{value}'", "name=pupil")
    assert not (tmp_path / "outputs" / "pupil").exists()


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(FerlabError, match="holds no kept probabilities"):
        teacher.find(str(tmp_path / "bad.npz"), "none", tmp_path)
    about = np.array(json.dumps({"tta": "none"}))
    faces = np.zeros((2, 16), np.uint8)
    for name, kept in (
        ("sum", {"faces": faces, "probabilities": np.ones((2, 7), np.float32), "about": about}),
        ("shape", {"faces": faces, "probabilities": np.full((3, 7), 1 / 7, np.float32), "about": about}),
        ("pickled", {"faces": faces, "probabilities": np.full((2, 7), 1 / 7), "about": np.array([{}], object)}),
    ):
        np.savez(tmp_path / name, **kept)
        with pytest.raises(FerlabError, match="holds no kept probabilities"):
            teacher.find(str(tmp_path / f"{name}.npz"), "none", tmp_path)


@pytest.mark.parametrize("tta", ["flip", "consistent"])
@pytest.mark.parametrize(
    ("key", "values"), [("teacher_share", (-0.1, 1.1, float("nan"))), ("teacher_temperature", (0, -1, float("nan")))]
)
def test_a_share_or_temperature_that_is_none_is_refused(teachers, train, key, values, tta):
    for value in values:
        with pytest.raises(FerlabError, match=rf"{key} is .*expected a number"):
            train(f"teacher={teachers[0].path}", f"teacher_tta={tta}", f"{key}={value}")


def test_training_mixes_the_answers_into_the_targets(teachers, config, tmp_path):
    share, temperature = 0.6, 2.0
    asked = config(
        f"teacher={teachers[0].path}",
        f"teacher_share={share}",
        f"teacher_temperature={temperature}",
        "teacher_tta=flip",
    )
    data = compose.compose(asked, FACES, cuda=False).data
    own = FACES.of_split("train")
    answers = by_hand(teachers[:1], own.pixels, "flip") ** (1 / temperature)
    expected = (1 - share) * own.targets + share * answers / answers.sum(1, keepdims=True)
    np.testing.assert_allclose(data.targets, expected, atol=1e-5)
    np.testing.assert_array_equal(data.class_counts, own.targets.sum(0))


def test_kept_answers_change_nothing_but_the_time(teachers, train, tmp_path):
    """The first training asks the teacher, the second finds the answers: the same weights."""
    cold = train(f"teacher={teachers[0].path}", "name=cold")
    warm = train(f"teacher={teachers[0].path}", "name=warm")
    plain = train("name=plain")
    weights = [predictor_of(run).net.state_dict() for run in (cold, warm, plain)]
    assert all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[1].values(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0].values(), weights[2].values(), strict=True))
    assert cold.info["teacher"] == warm.info["teacher"]
    assert cold.info["teacher"]["members"] == [teachers[0].name]
    assert plain.info["teacher"] is None


def test_a_consistent_teacher_predicts_for_the_faces_of_each_step(teachers, config, tmp_path, monkeypatch):
    """The targets of each step hold the ensemble's predictions for the step's own faces, with their share."""
    share, temperature = 0.6, 2.0
    asked = config(
        f"teacher=[{teachers[0].path},{teachers[1].path}]",
        "teacher_tta=consistent",
        f"teacher_share={share}",
        f"teacher_temperature={temperature}",
        "mixup=0.4",
        "batch_size=16",
        "trainer.max_epochs=1",
        "trainer.precision=32-true",
        "name=student",
    )
    monkeypatch.setattr(training, "open_config", lambda *a, **k: FACES)
    steps = []
    loss = ExpressionClassifier.loss

    def recorded(module, faces, targets):
        result = loss(module, faces, targets)
        steps.append((faces.numpy().copy(), targets.numpy().copy()))
        return result

    given = []
    mixed = compose.mixing(0.4, 0.0)
    monkeypatch.setattr(compose, "mixing", lambda *_: lambda *batch: given.append(mixed(*batch)) or given[-1])
    monkeypatch.setattr(ExpressionClassifier, "loss", recorded)
    run = training.train(asked)
    assert len(steps) == len(given) == 3
    for (faces, targets), (_, own) in zip(steps, given, strict=True):
        assert faces.dtype == np.float32  # augmented and mixed, so that no kept answer could be meant
        answers = by_hand(teachers, faces[:, 0]) ** (1 / temperature)
        expected = (1 - share) * own.numpy() + share * answers / answers.sum(1, keepdims=True)
        np.testing.assert_allclose(targets, expected, atol=1e-5)
    assert run.info["teacher"] == {
        "members": [t.name for t in teachers],
        "weights_sha256": [t.weights_sha256 for t in teachers],
        "tta": "consistent",
        "expressions": list(EXPRESSIONS),
    }
    assert not (tmp_path / "outputs" / "teachers").exists()
    saved = checkpoints.load(run.weights)
    assert all(name.startswith("net.") for name in saved["state_dict"])
    assert sum(t.numel() for name, t in saved["state_dict"].items() if "num_batches" not in name) == sum(
        t.numel() for name, t in predictor_of(run).net.state_dict().items() if "num_batches" not in name
    )


def test_kept_answers_are_no_consistent_teacher(teachers, tmp_path):
    kept = teacher.find(str(teachers[0].path), "none", tmp_path)
    kept.probabilities(FACES.pixels[:2], "cpu")
    with pytest.raises(FerlabError, match="a file cannot; give teacher=RUNS"):
        teacher.find(str(kept.file), "consistent", tmp_path)


def test_a_teacher_for_other_labels_is_a_warning(teachers, train, config, caplog):
    compose.compose(config(f"teacher={teachers[0].path}", "teacher_tta=none"), FACES, cuda=False)
    assert "labels of" not in caplog.text
    asked = config(f"teacher={teachers[0].path}", "teacher_tta=none", "data=ferplus")
    compose.compose(asked, FACES, cuda=False)
    assert "the teacher learned the labels of drawn, and the data have those of ferplus" in caplog.text
