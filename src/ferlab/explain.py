"""`python -m ferlab.explain`: which parts of a face carry a prediction, by five methods that are checked themselves."""

from rich.console import Console

from ferlab.cli import Config, command


@command("explain")
def main(config: Config) -> None:
    from ferlab.studies import explanation_page, opening
    from ferlab.studies.explanation import KIND, check, explain

    check(config)  # before a look at test is counted
    console = Console(soft_wrap=True, highlight=False)
    for study in opening.opened(config, KIND):
        found = explain(study, config)
        console.print(
            f"[bold]{study.provenance.name}[/] {study.title}: {len(found.faces)} faces by {len(config['methods'])} "
            f"methods in {found.seconds['all']:.0f} s, at most {found.peak_memory_mb:.0f} MB"
        )
        for line in explanation_page.card(found):
            console.print(f"  {line}")
        console.print(f"  {study.folder / 'index.html'}", style="dim")


if __name__ == "__main__":
    main()
