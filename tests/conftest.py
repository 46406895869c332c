"""What every test stands on: Hypothesis without deadlines, so that a busy machine never fails a test."""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.register_profile(  # for `make mutants`: the same examples for every mutant, and none made smaller
    "mutants",
    settings.get_profile("local"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    max_examples=60,
)
settings.load_profile("ci" if os.environ.get("CI") else "local")
