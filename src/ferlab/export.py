"""`python -m ferlab.export`: finished runs in, an ONNX file of each precision out, if onnxruntime answers as torch."""

from omegaconf import DictConfig

from ferlab.cli import command
from ferlab.config import plain
from ferlab.deploy.exporting import export, log


@command("export")
def main(cfg: DictConfig) -> None:
    for path in export(plain(cfg)):
        log.info("%s and %s; next: python -m ferlab.evaluate weights=%s", path, path.with_suffix(".json").name, path)


if __name__ == "__main__":
    main()
