from tests.builders.roots import *  # noqa: F403
