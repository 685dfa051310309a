"""`python -m ferlab.describe`: a model card of each run, and with data= a data card of each prepared store.

Nothing is run, counted or opened but what other commands wrote.
"""

from omegaconf import DictConfig
from rich.console import Console

from ferlab.cli import command
from ferlab.config import plain
from ferlab.reporting.describing import describe


@command("describe")
def main(cfg: DictConfig) -> None:
    for path in describe(plain(cfg)):
        Console(soft_wrap=True, highlight=False).print(str(path))


if __name__ == "__main__":
    main()
