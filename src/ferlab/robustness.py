"""`python -m ferlab.robustness`: a run's accuracy on faces as bad cameras, bad light and obstacles show them.

With data= the faces of any store, so that a run is measured where it was not trained.
"""

from rich.console import Console

from ferlab.cli import Config, command
from ferlab.pages.words import percent


@command("robustness")
def main(config: Config) -> None:
    from ferlab.studies import opening
    from ferlab.studies.robustness import KIND, check, measure

    check(config)  # before a look at test is counted
    console = Console(soft_wrap=True, highlight=False)
    for study in opening.opened(config, KIND):
        found = measure(study, config)
        console.print(
            f"[bold]{study.provenance.name}[/] {study.title}: clean [bold]{percent(found.clean.accuracy)} %[/]"
            + (
                f", mean corruption accuracy [bold]{percent(found.mean_corruption_accuracy)} %[/], "
                f"{percent(found.mean_drop)} points lower"
                if found.corruptions
                else ""
            )
            + f"; {found.seconds:.0f} s"
        )
        console.print(f"  {study.folder / 'index.html'}", style="dim")


if __name__ == "__main__":
    main()
