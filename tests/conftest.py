"""What all tests share."""

from __future__ import annotations

import os

# Read by TensorFlow when it is imported: TFT and TFMA know Keras 2 only.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
