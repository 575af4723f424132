"""What holds for all tests: how they draw their own examples, and which signals the commands that they start take."""

import signal

import pytest
from hypothesis import settings

# Always the same examples here, others by `make fuzz`.
settings.register_profile("fixed", deadline=None, derandomize=True, max_examples=150)
settings.register_profile("fuzz", deadline=None, max_examples=20_000)
settings.load_profile("fixed")


@pytest.fixture(autouse=True, scope="session")
def _heed_signals() -> None:
    """Let commands that tests start take the signals that this process was told to ignore (``nohup``, ``&``).

    A process inherits what is ignored, but no handler: one that does nothing leaves us deaf and them not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)
