"""The content of run.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ferlab import files
from ferlab.config import Config
from ferlab.data.faces import faces_sha256
from ferlab.data.labels import labels_of
from ferlab.expressions import EXPRESSIONS
from ferlab.runs import directory, provenance
from ferlab.training import adjust, freeze
from ferlab.training.compose import Composed
from ferlab.training.targets import learned_priors

_REACHED = ("best_epoch", "val_accuracy", "epochs", "seconds", "error", "continued")


@dataclass
class RunFacts:
    """A run's training.

    Attributes:
        status: running, finished or failed.
        class_counts: sum of the training targets of each expression.
        faces_sha256: of the faces of train and of val, as reports and exports have it.
        learns: what of the net learns, in words.
        augmentation: on which path it runs, and why not on the faster one.
        expressions: the order of the net's outputs.
        teacher: see `teacher.ConsistentTeacher`; None without one.
        weights: where the net started from.
        best_epoch, val_accuracy: of best.ckpt; None until it is there.
        epochs, seconds: of the whole training; None until its end. A start that was killed counts up to its last
            checkpoint.
        error: why it failed.
        continued: as `resume.Place` has it; None where the run was not continued.
    """

    status: str
    model: str
    data: str
    label_system: str
    class_weights: str
    seed: int
    commit: str
    parameters: int
    class_counts: dict[str, float]
    priors: list[float]
    faces_sha256: dict[str, str]
    precision: str
    learns: str
    augmentation: str
    expressions: list[str]
    teacher: Mapping[str, Any] | None
    environment: dict[str, str]
    weights: str
    best_epoch: int | None = None
    val_accuracy: float | None = None
    epochs: int | None = None
    seconds: float | None = None
    error: str | None = None
    continued: Sequence[Mapping[str, Any]] | None = None

    @classmethod
    def of(cls, config: Config, composed: Composed, precision: str, weights: str) -> "RunFacts":
        """What is known before the first step."""
        net, augment, tau = composed.classifier.net, composed.data.augment, config["logit_adjustment"]
        shares = adjust.source_shares(composed.data.source_counts, tau)[0] if tau else composed.data.class_shares
        return cls(
            status="running",
            model=config["model"]["name"],
            data=config["data"]["name"],
            label_system=labels_of(config["data"]),
            class_weights=config["class_weights"],
            seed=config["seed"],
            commit=provenance.commit(),
            parameters=sum(p.numel() for p in net.parameters()),
            class_counts=dict(zip(EXPRESSIONS, composed.data.class_counts.tolist(), strict=True)),
            priors=learned_priors(shares, composed.classifier.class_weights, tau),
            faces_sha256={"train": faces_sha256(composed.data.train), "val": faces_sha256(composed.data.val)},
            precision=precision,
            learns=freeze.describe(net, composed.classifier.learning),
            augmentation=f"{augment.path} ({augment.reason})" if augment.reason else augment.path,
            expressions=list(EXPRESSIONS),
            teacher=composed.teacher.provenance if composed.teacher else None,
            environment=provenance.environment(),
            weights=weights,
        )

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None or key not in _REACHED}

    def write(self, path: Path) -> None:
        """Write run.json in a run's directory.

        Raises:
            FerlabError: the disk refuses.
        """
        files.write_json(path / directory.INFO, self.as_json())
