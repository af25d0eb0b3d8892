from tests.builders.histories import *  # noqa: F403
