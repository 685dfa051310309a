"""`python -m ferlab.explain`: what in a face carries a run's answers, by five methods that are checked themselves."""

from rich.console import Console

from ferlab.cli import Config, command


@command("explain")
def main(config: Config) -> None:
    from ferlab.studies import opening
    from ferlab.studies.explanation import KIND, check, explain, told

    check(config)  # before a look at test is counted
    console = Console(soft_wrap=True, highlight=False)
    for study in opening.opened(config, KIND):
        found = explain(study, config)
        console.print(
            f"[bold]{study.about['name']}[/] {study.title}: {len(found['faces'])} faces by {len(config['methods'])} "
            f"methods in {found['seconds']['all']:.0f} s, at most {found['peak_memory_mb']:.0f} MB"
        )
        for line in told(found, config["methods"]):
            console.print(f"  {line}")
        console.print(f"  {study.folder / 'index.html'}", style="dim")


if __name__ == "__main__":
    main()
