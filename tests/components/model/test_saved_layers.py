"""The layers of a saved model: from its variables, and what they compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import lazy

saved_layers = lazy.module("components.model.saved_layers")

pytestmark = pytest.mark.component

# Two pixels, two hidden units, two units of the code: the encoder hands its input on, the decoder's logits are
# (8 * first, -8 * second unit). No bias but the code's, which the second unit never exceeds.
IDENTITY = np.eye(2, dtype=np.float32)
NONE = np.zeros(2, np.float32)
ACTIVATIONS = {"hidden": "relu", "code": "relu", "back": "relu", "logits": "sigmoid"}
SMALL = {
    "hidden/kernel": IDENTITY,
    "hidden/bias": NONE,
    "code/kernel": IDENTITY,
    "code/bias": np.float32([-0.25, -1]),
    "back/kernel": IDENTITY,
    "back/bias": NONE,
    "logits/kernel": np.float32([[8, 0], [0, -8]]),
    "logits/bias": NONE,
}


def halves_of(variables: dict[str, Any], activations: dict[str, str] = ACTIVATIONS) -> Any:
    return saved_layers.halves(saved_layers.layers_of(variables, activations), ("code",))


def test_layers_are_the_variables_in_their_order_by_all_but_the_last_part_of_their_names() -> None:
    variables = {"net/conv/kernel:0": np.ones((3, 3, 4, 8)), "net/conv/bias:0": np.ones(8), "steps": np.ones(())}
    layers = saved_layers.layers_of(variables, {"net/conv": "relu"})
    assert [(one.name, one.sizes, one.activation, one.parameters) for one in layers] == [
        ("net/conv", (4, 8), "relu", 288 + 8),
        ("steps", (None, None), "", 1),
    ]
    assert not any(one.computable for one in layers)


def test_the_mean_activation_is_over_the_images_on_which_a_unit_is_active() -> None:
    encoder, _ = halves_of(SMALL)
    images = np.float32([[1, 1], [0.5, 0], [0, 1], [0.25, 0]])
    # The first unit is 0.75, 0.25, 0 and 0; the second is at most 1 - 1 = 0.
    assert saved_layers.mean_activations(encoder, images).tolist() == [0.5, 0]


def test_a_unit_alone_is_decoded_with_all_others_at_nothing() -> None:
    _, decoder = halves_of(SMALL)
    answers = saved_layers.apply(decoder, np.diag(np.float32([0.5, 0.25])))
    # Logits (4, 0) and (0, -2).
    sigmoids = [[1 / (1 + np.exp(-4)), 0.5], [0.5, 1 / (1 + np.exp(2))]]
    np.testing.assert_allclose(answers, sigmoids, rtol=1e-6)
    np.testing.assert_allclose(saved_layers.apply(decoder, np.float32([[0.5]])), sigmoids[:1], rtol=1e-6)


def test_a_large_logit_is_decoded_without_overflow() -> None:
    assert saved_layers.apply(halves_of(SMALL)[1], np.float32([[1000, 1000]])).tolist() == [[1, 0]]


def test_what_is_no_chain_of_dense_layers_around_a_code_has_no_halves() -> None:
    assert [len(half) for half in halves_of(SMALL)] == [2, 2]
    for name, other in [
        ("code/kernel", np.ones((3, 2), np.float32)),
        ("code/bias", np.ones(3, np.float32)),
        ("logits/kernel", np.ones(2, np.float32)),
        ("more/gamma", NONE),
    ]:
        assert halves_of({**SMALL, name: other}) is None
    assert halves_of(SMALL, {**ACTIVATIONS, "back": "gelu"}) is None
    assert halves_of({name.replace("code", "middle"): value for name, value in SMALL.items()}) is None
    assert halves_of({name: value for name, value in SMALL.items() if name[:4] in ("hidd", "code")}) is None
