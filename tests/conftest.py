"""What all tests share."""

from __future__ import annotations

import os
import signal

# Read by TensorFlow when it is imported: TFT and TFMA know Keras 2 only.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

# A shell starts background commands with Ctrl-C ignored, and children inherit that; the tests send it to theirs.
signal.signal(signal.SIGINT, signal.default_int_handler)
