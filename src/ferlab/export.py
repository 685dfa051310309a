"""`python -m ferlab.export`: finished runs in, an ONNX file of each precision out, if onnxruntime answers as torch."""

import logging

from ferlab.cli import Config, command

log = logging.getLogger(__name__)


@command("export")
def main(config: Config) -> None:
    from ferlab.deploy.exporting import export

    for path in export(config):
        log.info("%s and %s; next: python -m ferlab.evaluate weights=%s", path, path.with_suffix(".json").name, path)


if __name__ == "__main__":
    main()
