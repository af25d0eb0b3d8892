"""The sparse autoencoder that the settings describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from components.model import autoencoder
from components.model.autoencoder import Autoencoder
from components.model.noise import Noise
from components.model.sparsity.batchtopk import BatchTopK
from components.model.sparsity.jumprelu import JumpReLU
from components.model.sparsity.layer import SparsityLayer
from components.model.sparsity.topk import TopK

# By the value of `model.sparsity`; L1 is none.
_METHODS: Mapping[str, Callable[[Mapping[str, Any]], SparsityLayer]] = {
    "topk": lambda settings: TopK(int(settings["active_units"]), name=autoencoder.CODE_ACTIVATION),
    "batchtopk": lambda settings: BatchTopK(settings["active_units"], name=autoencoder.CODE_ACTIVATION),
    "jumprelu": lambda settings: JumpReLU(
        settings["active_units"],
        settings["bandwidth"],
        settings["penalty_weight"],
        name=autoencoder.CODE_ACTIVATION,
    ),
}


def build(
    pixels: int, settings: Mapping[str, Any], seed: int, mean_image: Callable[[], npt.NDArray[np.float32]]
) -> Autoencoder:
    """Build the untrained model; arguments as for `adapter.build`."""
    noise = None
    if settings["noise"] != "none":
        noise = Noise(settings["noise"], settings["noise_level"], seed, name="noise")
    method = _METHODS.get(settings["sparsity"])
    model = autoencoder.build_autoencoder(
        pixels,
        settings["hidden_layers"],
        settings["code_units"],
        settings.get("l1", 0.0),
        seed,
        settings.get("code_bias", 0.0),
        settings["loss"],
        method and method(settings),
        noise=noise,
    )
    if settings["output_bias"] == "mean_image":
        biases = autoencoder.bias_of_mean_image(mean_image(), settings["loss"])
        model.decoder.get_layer(autoencoder.LOGITS_LAYER).bias.assign(biases)
    return model
