"""How the tests that draw their own examples draw them: always the same here, others by `make fuzz`."""

from hypothesis import settings

settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=150)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)
settings.load_profile("fixed")
