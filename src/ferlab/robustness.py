"""`python -m ferlab.robustness`: accuracy of a run under bad light, blur, noise and obstacles, or on other data."""

from rich.console import Console

from ferlab.cli import Config, command


@command("robustness")
def main(config: Config) -> None:
    from ferlab.reporting import site
    from ferlab.studies.opening import lines
    from ferlab.studies.robustness import KIND, check, measure

    check(config)  # before an evaluation on test is counted
    console = Console(soft_wrap=True, highlight=False)
    for line in lines(config, KIND, measure):
        console.print(line)
    site.refresh_runs(config["runs"])


if __name__ == "__main__":
    main()
