"""A net whose batch norms hold constants in, the same function with batch norms that can learn out."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def unfold(backbone: nn.Module, x: Tensor) -> None:
    """Give batch norms the statistics that input x [B,C,S,S] has before them, and leave what they compute as it is.

    A published net may keep of its batch norms only the constants that they come to. Learning goes on where it stopped
    once each norm has statistics again, and the weight and bias with which they come to the same constants.
    """
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    statistics: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def measure(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        variance, mean = torch.var_mean(inputs[0].double(), dim=(0, 2, 3))
        statistics[norm] = mean, variance

    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    training = backbone.training
    try:
        backbone.eval()(x)
    finally:
        backbone.train(training)
        for hook in hooks:
            hook.remove()
    for norm in norms:
        old_mean, old_variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        mean, variance = statistics[norm]
        gain = norm.weight / (old_variance + norm.eps).sqrt()
        norm.bias.add_(gain * (mean - old_mean))
        norm.weight.copy_(gain * (variance + norm.eps).sqrt())
        old_mean.copy_(mean)
        old_variance.copy_(variance)
