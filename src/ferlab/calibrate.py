"""`python -m ferlab.calibrate`: is a predictor as right as it is sure, and from which confidence on may it answer?

On val a temperature and a threshold are fitted and kept; on other faces the kept ones are judged.
"""

from rich.console import Console

from ferlab.cli import Config, command
from ferlab.pages.words import percent


@command("calibrate")
def main(config: Config) -> None:
    from ferlab.studies import opening
    from ferlab.studies.calibration import KIND, calibrate

    console = Console(soft_wrap=True, highlight=False)
    for study in opening.opened(config, KIND):
        found = calibrate(study, config)
        a, crossed = found.abstention, found.cross_fitted
        console.print(
            f"[bold]{study.provenance.name}[/] {study.title}: temperature {found.temperature:.3f}, calibration error "
            f"{percent(found.before.ece, 2)} → [bold]{percent(found.after.ece, 2)} %[/]"
            + (f" (cross-fitted {percent(crossed.ece, 2)} %)" if crossed else "")
            + f"; from confidence {a.threshold or 1:.3f} on {percent(a.coverage)} % get a label, "
            f"{percent(a.accuracy)} % of them right"
        )
        console.print(f"  {study.folder / 'index.html'}", style="dim")


if __name__ == "__main__":
    main()
