"""`python -m ferlab.describe`: a model card of each run, and with data= a data card of each prepared store.

It reads what other commands wrote; it runs, counts and opens nothing else.
"""

from rich.console import Console

from ferlab.cli import Config, command


@command("describe")
def main(config: Config) -> None:
    from ferlab.reporting.describing import describe

    for path in describe(config):
        Console(soft_wrap=True, highlight=False).print(str(path))


if __name__ == "__main__":
    main()
