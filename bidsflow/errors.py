"""The whole tree of errors: each says what was seen, where, and what to do.

Findings about data (a bad file, a missing field) are values, not errors. An error means that bidsflow
cannot go on with what it was asked. Every error keeps its data in attributes and survives pickling.
"""

from __future__ import annotations


class BidsflowError(Exception):
    """Base of every error that bidsflow raises on purpose.

    Attributes
    ----------
    exit_code : int
        What a command returns to the shell when this error ends it.
    """

    exit_code = 70


class EntityError(BidsflowError, ValueError):
    """A BIDS entity has a value that the standard does not allow."""

    exit_code = 65

    def __init__(self, key: str, value: str) -> None:
        super().__init__(key, value)
        self.key = key
        self.value = value

    def __str__(self) -> str:
        return f"{self.key}-{self.value}: a label holds letters and digits only"


class PathNameError(BidsflowError, ValueError):
    """A path is not a BIDS name."""

    exit_code = 65

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path!r} is not a BIDS path: {self.reason}"


class HeaderError(BidsflowError, ValueError):
    """Bytes are not a DICOM header that the reader understands.

    Attributes
    ----------
    reason : str
        A short clause for a list of set-aside files.
    """

    exit_code = 65

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class SourceError(BidsflowError, OSError):
    """An export cannot be read, or holds no DICOM at all."""

    exit_code = 65

    def __init__(self, where: str, reason: str, hint: str = "") -> None:
        super().__init__(where, reason, hint)
        self.where = where
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" + (f". {self.hint}" if self.hint else "")


class PlanError(BidsflowError, ValueError):
    """A plan cannot be carried out; every faulty row is named.

    Attributes
    ----------
    problems : tuple of str
        One sentence per row: the row, what is wrong, what to do.
    """

    exit_code = 65

    def __init__(self, where: str, problems: tuple[str, ...]) -> None:
        super().__init__(where, problems)
        self.where = where
        self.problems = problems

    def __str__(self) -> str:
        return f"{self.where}: the plan cannot be carried out\n" + "\n".join(f"  - {p}" for p in self.problems)


class DatasetError(BidsflowError, OSError):
    """A folder cannot serve as the dataset to write into."""

    exit_code = 73

    def __init__(self, root: str, reason: str, hint: str = "") -> None:
        super().__init__(root, reason, hint)
        self.root = root
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.root}: {self.reason}" + (f". {self.hint}" if self.hint else "")


class StorageError(BidsflowError, OSError):
    """Bytes could not be written: the disk is full, a quota is reached, a folder is read-only."""

    exit_code = 74

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(where, reason)
        self.where = where
        self.reason = reason

    def __str__(self) -> str:
        full = any(word in self.reason for word in ("full", "quota", "space"))
        remedy = "make room" if full else "repair that"
        return f"{self.where}: {self.reason}. Nothing half-written was left; {remedy} and run the same command again"


class ConversionError(BidsflowError, RuntimeError):
    """One series could not be converted as planned; the others go on.

    Attributes
    ----------
    series : str
        How the user knows the series (its number and description), never a person's name.
    """

    exit_code = 1

    def __init__(self, series: str, reason: str) -> None:
        super().__init__(series, reason)
        self.series = series
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.series}: {self.reason}"


class ToolError(BidsflowError, RuntimeError):
    """A program that bidsflow drives is missing or fails."""

    exit_code = 69

    def __init__(self, tool: str, reason: str, hint: str = "") -> None:
        super().__init__(tool, reason, hint)
        self.tool = tool
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.tool}: {self.reason}" + (f". {self.hint}" if self.hint else "")


class ExpressionError(BidsflowError, ValueError):
    """A selector or check of a BIDS schema is not of the schema's language."""

    def __init__(self, expression: str, at: str) -> None:
        super().__init__(expression, at)
        self.expression = expression
        self.at = at

    def __str__(self) -> str:
        return f"cannot read the schema's expression {' '.join(self.expression.split())!r} at {self.at!r}"


class SchemaError(BidsflowError, ValueError):
    """There is no such BIDS schema, or what is there is none.

    Attributes
    ----------
    wanted : str
        The version or path that was asked for.
    reason : str
        What was found instead, and what to do.
    """

    def __init__(self, wanted: str, reason: str) -> None:
        super().__init__(wanted, reason)
        self.wanted = wanted
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot use the BIDS schema {self.wanted}: {self.reason}"


class ConfigError(BidsflowError, ValueError):
    """The configuration of a validation cannot be used.

    Attributes
    ----------
    where : str
        The file.
    problems : tuple of str
        What is wrong, each with its place.
    """

    exit_code = 65

    def __init__(self, where: str, problems: tuple[str, ...]) -> None:
        super().__init__(where, problems)
        self.where = where
        self.problems = problems

    def __str__(self) -> str:
        return f"{self.where}: the configuration cannot be used\n" + "\n".join(
            f"  - {problem}" for problem in self.problems
        )


class StudyError(BidsflowError, ValueError):
    """A study specification, or a table of its form, cannot be used.

    Attributes
    ----------
    where : str
        The file.
    problems : tuple of str
        What is wrong, each with its place.
    """

    exit_code = 65

    def __init__(self, where: str, problems: tuple[str, ...]) -> None:
        super().__init__(where, problems)
        self.where = where
        self.problems = problems

    def __str__(self) -> str:
        return f"{self.where}: it cannot be used\n" + "\n".join(f"  - {problem}" for problem in self.problems)


class PipelineError(BidsflowError, RuntimeError):
    """A pipeline cannot be found, or its declaration is wrong."""

    exit_code = 70

    def __init__(self, pipeline: str, reason: str) -> None:
        super().__init__(pipeline, reason)
        self.pipeline = pipeline
        self.reason = reason

    def __str__(self) -> str:
        return f"pipeline {self.pipeline}: {self.reason}"


class FlowError(BidsflowError, TypeError):
    """Steps of a workflow do not fit together; found when the workflow is built.

    Attributes
    ----------
    step : str
        Name of the step.
    """

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(step, reason)
        self.step = step
        self.reason = reason

    def __str__(self) -> str:
        return f"step {self.step}: {self.reason}"


class RunError(BidsflowError, RuntimeError):
    """A command cannot begin or go on: there is nothing to do, or a pipeline is at fault."""

    exit_code = 70

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason, hint)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return self.reason + (f". {self.hint}" if self.hint else "")


class OptionError(RunError, ValueError):
    """A command was called in a way that cannot be meant; nothing was done."""

    exit_code = 2


class InputError(RunError, ValueError):
    """A dataset cannot be used as input: it is invalid, or no dataset at all."""

    exit_code = 65


class FileFault(BidsflowError, ValueError):  # noqa: N818 -- a finding on its way to become an issue
    """A file does not hold what its name promises; becomes an issue of the dataset.

    Attributes
    ----------
    code : str
        The code of the issue: ``JSON_INVALID``.
    message : str
        What was seen, beyond the meaning of the code; never a path.
    line : int
        Line of a text file, from 1; 0 where the whole file is meant.
    subcode : str
        What kind of it: of FILE_READ, the name of the operating system's error.
    """

    exit_code = 65

    def __init__(self, code: str, message: str = "", line: int = 0, subcode: str = "") -> None:
        super().__init__(code, message, line, subcode)
        self.code = code
        self.message = message
        self.line = line
        self.subcode = subcode

    def __str__(self) -> str:
        what = f"{self.code} ({self.subcode})" if self.subcode else self.code
        where = f"{what} in line {self.line}" if self.line else what
        return f"{where}: {self.message}" if self.message else where


def describe_error(error: BaseException) -> str:
    """Return the kind of an unexpected error and the last line of bidsflow that it came through, without its message.

    A message may quote what it was given, which may be personal data; kinds and lines never are.
    """
    where = ""
    trace = error.__traceback__
    while trace is not None:
        _, own, module = trace.tb_frame.f_code.co_filename.rpartition("bidsflow/")
        if own:
            where = f" at {own}{module}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}{where}"
