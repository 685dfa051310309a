"""A written report in, a run of W&B out: so views are an axis of a dashboard, as class weights are."""

import hashlib
import json
from pathlib import Path

from ferlab.training import wandb_runs


def log_report(folder: Path, mode: str) -> None:
    """Log a report as a run of its own; the same measurement is the same run, however often it is made.

    Args:
        folder: of the report, in a run's or an ensemble's directory.
        mode: online or offline.
    """
    report = json.loads((folder / "report.json").read_text())
    split = report["split"]
    axes = {key: report.get(key) for key in ("model", "data", "class_weights", "seed", "tta", "tta_space")}
    subject = {key: report[key] for key in ("members", "weights_sha256", "faces_sha256", "n")}
    key = json.dumps([split, axes["tta"], axes["tta_space"], subject["weights_sha256"], subject["faces_sha256"]])
    home = folder.parent.parent
    run = wandb_runs.opened(
        home,
        mode,
        id=hashlib.sha256(key.encode()).hexdigest()[:16],
        name=f"{report['name']} {folder.name}",
        group=f"{axes['model']}-{axes['data']}" if len(report["members"]) == 1 else "ensembles",
        job_type="evaluate",
        tags=wandb_runs.tags("evaluate", f"split={split}", f"tta={axes['tta']}"),
        config={**axes, **subject, "split": split, "evaluate": True},
    )
    if run is None:
        return
    names = ("accuracy", "macro_recall", "macro_f1", "disgust_misclassification", "ece", "nll")
    values = {f"{split}/{name}": report[name] for name in names if report.get(name) is not None}
    values[f"{split}/without_train_twins"] = report["without_train_twins"]["accuracy"]
    ends = zip(("low", "high"), report["interval95"], strict=True)
    values |= {f"{split}/accuracy_{end}": value for end, value in ends}
    with wandb_runs.closing(home):
        run.log({**values, f"{split}/confusion": wandb_runs.confusion_plot(report["confusion_matrix"], split)})
