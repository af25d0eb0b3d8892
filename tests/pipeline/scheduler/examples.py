from tests.builders.schedules import *  # noqa: F403
