"""`python -m ferlab.analyse`: which of a run's errors are its own, and which are the data's.

What the report has (confusion matrix, surest mistakes) is not repeated here.
"""

from rich.console import Console

from ferlab.cli import Config, command
from ferlab.pages.words import percent


@command("analyse")
def main(config: Config) -> None:
    from ferlab.studies import opening
    from ferlab.studies.mistakes import KIND, analyse

    console = Console(soft_wrap=True, highlight=False)
    for study in opening.opened(config, KIND):
        found = analyse(study, config)
        parts = [f"ambiguous {percent(found.ambiguous.accuracy)} % of {found.ambiguous.n}"]
        for name, of in (found.ferplus or {}).items():
            parts.append(f"FER+ {name} {percent(of.accuracy)} % of {of.n}")
        console.print(f"[bold]{study.provenance.name}[/] {study.title}: right where {', '.join(parts)}")
        console.print(f"  {study.folder / 'index.html'}", style="dim")


if __name__ == "__main__":
    main()
