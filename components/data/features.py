"""Names of features and splits.

Raw examples, which ExampleGen writes, have for each image of 8 or 16 bit:

* `image`: bytes, the unchanged PNG file of TensorFlow Datasets, or one of a JPEG file, an array or a resampled image;
* `height`, `width`: int64, pixels, from the PNG's header, so that data validation sees a wrong shape;
* `channels`: int64, 3, only for colour.

An image of floats has `values` instead of `image`: float32, height * width * channels numbers, row by row. A vector has
`values` alone. With labels there is also `label`: int64, in [0, number of labels). Records of data sets that `sae data
add` made have `id` as well: bytes, the name of the file or the number of the row; statistics and schema leave it out.

Transformed examples have `image_xf`: float32, shape (height * width * channels,) or that of the vector, in [0, 1]
unless the data is standardised, and with labels `label_xf`: int64.
"""

IMAGE = "image"
HEIGHT = "height"
WIDTH = "width"
CHANNELS = "channels"
VALUES = "values"
LABEL = "label"
ID = "id"

VALIDATED = (IMAGE, HEIGHT, WIDTH, CHANNELS, VALUES, LABEL)

IMAGE_XF = "image_xf"
LABEL_XF = "label_xf"

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = SPLITS

MAX_PIXEL = 255  # of an 8-bit image; pixels are divided by it
MAX_PIXEL_16 = 65_535  # of a 16-bit image

BATCH = 1_000  # images transformed at once: the graph's overhead is small, and so is the memory
_BATCH_BYTES = 64 * 1024 * 1024


def most_at_once(values: int) -> int:
    """Return how many images of `values` float32 take 64 MiB, at least one: the largest batch of any node."""
    return max(1, _BATCH_BYTES // (4 * values))


def batch_of(values: int) -> int:
    """Return how many images of `values` float32 to transform at once."""
    return min(BATCH, most_at_once(values))
