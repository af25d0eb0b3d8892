from tests.builders.schedules import MIDNIGHT as CREATED  # noqa: F401
from tests.builders.schedules import SetClock, at, texts  # noqa: F401
from tests.builders.schedules import new_schedule as schedule  # noqa: F401
