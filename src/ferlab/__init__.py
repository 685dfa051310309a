"""ferlab: facial-expression experiments whose numbers can be reproduced."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ferlab.inference.predictor import Predictor as Predictor
    from ferlab.inference.results import Face as Face
    from ferlab.inference.results import Faces as Faces
    from ferlab.inference.results import Pictures as Pictures
    from ferlab.inference.results import VideoFrame as VideoFrame
    from ferlab.inference.results import to_pandas as to_pandas
    from ferlab.predictors import zoo as zoo

__version__ = "0.2.0"

# onnxruntime writes an id of the device into the home folder and reports to its maker, albumentations asks for its
# newest version, W&B reports its errors and MLflow its use. Each reads its variable when it is imported; what the user
# has set counts.
for _name, _value in {
    "ORT_DISABLE_TELEMETRY": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}.items():
    os.environ.setdefault(_name, _value)


def __getattr__(name: str) -> Any:
    """`from ferlab import Predictor` loads onnxruntime and OpenCV, `zoo` torch; `import ferlab` alone loads none."""
    if name == "Predictor":
        from ferlab.inference.predictor import Predictor

        return Predictor
    if name in ("Face", "Faces", "Pictures", "VideoFrame", "to_pandas"):
        from ferlab.inference import results

        return getattr(results, name)
    if name == "zoo":
        from ferlab.predictors import zoo

        return zoo
    raise AttributeError(f"module 'ferlab' has no attribute {name!r}")
