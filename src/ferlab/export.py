"""`python -m ferlab.export`: finished runs in, an ONNX file of each precision out, if onnxruntime answers as torch."""

import logging

from ferlab.cli import Config, command
from ferlab.commandline import typed

log = logging.getLogger(__name__)


@command("export")
def main(config: Config) -> None:
    from ferlab.deploy import exporting, member_files

    if config["members"]:
        path = member_files.export(config)
        log.info("%s and its members; next: python -m ferlab.evaluate %s", path, typed("weights", path))
        return
    for path in exporting.export(config):
        sidecar, weights = path.with_suffix(".json").name, typed("weights", path)
        log.info("%s and %s; next: python -m ferlab.evaluate %s", path, sidecar, weights)


if __name__ == "__main__":
    main()
