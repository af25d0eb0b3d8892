"""From a blessed model to a served one: the push gate and the Pusher."""
