from tests.builders.pages import *  # noqa: F403
