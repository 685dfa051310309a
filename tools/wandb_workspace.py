"""Makes the dashboards of a sweep in W&B: class weights, auxiliary faces and teachers over the training, and views.

pip install wandb-workspaces; wandb login
python -m tools.wandb_workspace ENTITY --sweep 2026-11-27_21-00-00-000000
python -m tools.wandb_workspace ENTITY --spec      # what would be saved, as JSON; needs no account

Two saved views of the project: `trainings` shows the runs of ferlab.train, `views` the reports of ferlab.evaluate
with wandb=online.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

AXES = ("class_weights", "data", "weights", "balance", "lr")  # of a training's config
REPORT_AXES = ("model", "data", "class_weights", "tta")  # of a report's config
CURVES = ("val/accuracy", "val/macro_recall", "val/loss", "train/loss", "val/recall/disgust", "val/recall/fear")
MEASURED = ("accuracy", "macro_recall", "disgust_misclassification", "ece")


def trainings(entity: str, project: str, sweep: str | None) -> ws.Workspace:
    """Curves averaged over seeds, the settings beside what they reached, and the mean of each class weighting."""
    best = wr.SummaryMetric("val/accuracy")
    tables = [
        _coordinates("Settings and val accuracy", ["model.name", *AXES], ["val/accuracy", "val/macro_recall"]),
        _bars("Val accuracy by class weights", "val/accuracy", "class_weights"),
        _bars("Val accuracy by data: with and without auxiliary faces", "val/accuracy", "data"),
        wr.ScatterPlot(title="Macro recall against accuracy", x=best, y=wr.SummaryMetric("val/macro_recall")),
    ]
    curves = [wr.LinePlot(title=name, x="epoch", y=[name], groupby_rangefunc="stddev") for name in CURVES]
    groups = [ws.Config(name) for name in ("class_weights", "data")]
    chosen = ws.RunsetSettings(
        filters=_filter("train", _of_sweep(sweep)), groupby=groups, order=[_order("val/accuracy")]
    )
    return _workspace(entity, project, "ferlab: trainings", {"Settings": tables, "Curves": curves}, chosen)


def views(entity: str, project: str, split: str) -> ws.Workspace:
    """Reports by view set: what test-time augmentation gains for each net, data set and class weighting."""
    names = [f"{split}/{name}" for name in MEASURED]
    panels = [
        _coordinates("Nets, data, class weights, views", list(REPORT_AXES), names),
        *(_bars(f"{name} by views", f"{split}/{name}", "tta") for name in MEASURED),
    ]
    groups = [ws.Config("tta"), ws.Config("class_weights"), ws.Config("data")]
    filters = _filter("evaluate", f"Config('split') == '{split}'")
    chosen = ws.RunsetSettings(filters=filters, groupby=groups, order=[_order(names[0])])
    return _workspace(entity, project, f"ferlab: views on {split}", {"Views": panels}, chosen)


def _workspace(
    entity: str, project: str, name: str, sections: dict[str, list[Any]], chosen: ws.RunsetSettings
) -> ws.Workspace:
    made = [ws.Section(name=title, panels=panels, is_open=True) for title, panels in sections.items()]
    return ws.Workspace(entity=entity, project=project, name=name, sections=made, runset_settings=chosen)


def _filter(job_type: str, more: str = "") -> str:
    return f"JobType == '{job_type}'" + (f" and {more}" if more else "")


def _of_sweep(name: str | None) -> str:
    """The library doubles each `=` in a filter, also in the text of a tag: escaped it stays what it is."""
    tag = f"sweep={name}"[:64].replace("=", "\\x3d")
    return f"Tags in ['{tag}']" if name else ""


def _order(name: str) -> ws.Ordering:
    return ws.Ordering(ws.Summary(name), ascending=False)


def _coordinates(title: str, settings: list[str], reached: list[str]) -> wr.ParallelCoordinatesPlot:
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(name)) for name in settings]
    columns += [wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(name)) for name in reached]
    return wr.ParallelCoordinatesPlot(title=title, columns=columns)


def _bars(title: str, metric: str, by: str) -> wr.BarPlot:
    """The mean over the runs of a group, with their standard deviation."""
    grouped = {"groupby": wr.Config(by), "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    return wr.BarPlot(title=title, metrics=[metric], **grouped)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entity", help="the account or team that owns the project")
    parser.add_argument("--project", default="ferlab")
    parser.add_argument("--sweep", help="the name of a folder in outputs/sweeps; without it all trainings")
    parser.add_argument("--split", default="val", choices=["val", "test"], help="of the reports (%(default)s)")
    parser.add_argument("--spec", action="store_true", help="print what would be saved, as JSON, and save nothing")
    args = parser.parse_args(words)
    made = [trainings(args.entity, args.project, args.sweep), views(args.entity, args.project, args.split)]
    if args.spec:
        print(json.dumps([one._spec for one in made], indent=1))
        return
    for one in made:
        one.save()
        print(one.url)


if __name__ == "__main__":
    main()
