"""ferlab: facial-expression experiments whose numbers can be reproduced."""

import os

__version__ = "0.1.0"

# onnxruntime writes an id of the device into the home folder and reports to its maker, albumentations asks for its
# newest version, W&B reports its errors. Each reads its variable when it is imported; what the user has set counts.
for _name, _value in {
    "ORT_DISABLE_TELEMETRY": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "WANDB_ERROR_REPORTING": "false",
}.items():
    os.environ.setdefault(_name, _value)
