"""The run_fn: a line fitted to points by gradient descent, with plain TensorFlow."""

from __future__ import annotations

import os
import time

import tensorflow as tf
from tfx.components.trainer.fn_args_utils import FnArgs


class Line(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope, self.offset = tf.Variable(0.0), tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def predict(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": self.slope * x + self.offset}


def run_fn(fn_args: FnArgs) -> None:
    features = {name: tf.io.FixedLenFeature([], tf.float32) for name in ("x", "y")}
    time.sleep(float(os.environ.get("SECOND_PIPELINE_SLEEP", "0")))  # a test kills the run meanwhile
    files = sorted(file for pattern in fn_args.train_files for file in tf.io.gfile.glob(pattern))
    points = [tf.io.parse_single_example(record, features) for record in tf.data.TFRecordDataset(files)]
    x, y = (tf.stack([point[name] for point in points]) for name in ("x", "y"))
    line = Line()
    for _ in range(fn_args.custom_config["steps"]):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(line.predict(x)["y"] - y))
        for variable, slope in zip(
            line.trainable_variables, tape.gradient(loss, line.trainable_variables), strict=True
        ):
            variable.assign_sub(fn_args.custom_config["step_size"] * slope)
    tf.saved_model.save(line, fn_args.serving_model_dir, signatures={"serving_default": line.predict})
