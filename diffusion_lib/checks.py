"""Exercises that know the usual mistakes.

An exercise answers check(answer) in a sentence or two, hint() more strongly each time, and solution().
A check never raises. It passes fresh copies of its own tensors to the learner's function, and leaves the
global random state as it was. The exercises of each lesson are objects in diffusion_lib/exercises/.
"""

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .outcomes import Outcome, describe, is_untouched, one_line, same_random_state, where_it_stopped
from .progress import record_done

NOT_ATTEMPTED = "Not attempted yet: replace the ... in the cell above, run it, then run this cell again."
NOTHING_RETURNED = "The function gives nothing back (None): is its `return` missing?"


@dataclass(frozen=True)
class Verdict:
    """status is one of right, not attempted, crashed, wrong; text is what the learner reads."""

    status: str
    text: str


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people give, and the sentence that the check then says."""

    answer: Any
    says: str


class Exercise:
    """What all kinds share. key is lesson.name, as in "noising.one_step"; difficulty 1 .. 5; minutes.

    hints two or more, growing in strength; solution the worked answer as text; right what was verified.
    A subclass says how `_judge` an answer that is there.
    """

    def __init__(self, key, *, difficulty: int, minutes: int, hints, solution: str, right: str, mistakes=()):
        if not 1 <= difficulty <= 5:
            raise ValueError(f"difficulty must lie in 1 .. 5, got {difficulty}")
        if len(hints) < 2:
            raise ValueError(f"{key} must have at least two hints, got {len(hints)}")
        self.key, self.difficulty, self.minutes, self.hints = key, difficulty, minutes, tuple(hints)
        self.mistakes: tuple[Mistake, ...] = tuple(mistakes)
        self._solution, self._right, self._hints_given = textwrap.dedent(solution).strip(), right, 0

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.key}: difficulty {self.difficulty} of 5, {self.minutes} minutes>"
        )

    def judge(self, answer) -> Verdict:
        """What check prints, as an object. Never raises."""
        if answer is None or answer is ...:
            return Verdict("not attempted", NOT_ATTEMPTED)
        try:
            with same_random_state():
                return self._judge(answer)
        except NotImplementedError:
            return Verdict("not attempted", NOT_ATTEMPTED)
        except Exception as error:  # a fault of ours, or an answer of a type that nobody thought of
            return Verdict("crashed", f"The check could not work with this answer: {one_line(error)}")

    def check(self, answer) -> None:
        """Prints whether the answer is right, and if not, what the likely mistake is."""
        verdict = self.judge(answer)
        if verdict.status == "right":
            record_done(self.key)
        print(verdict.text)

    def yours_or_ours(self, answer):
        """The answer if it is right, else the reference: what a lesson goes on with."""
        return answer if self.judge(answer).status == "right" else self.reference

    def hint(self) -> None:
        """Prints a hint, a stronger one each time."""
        index = min(self._hints_given, len(self.hints) - 1)
        self._hints_given += 1
        print(f"Hint {index + 1} of {len(self.hints)}: {self.hints[index]}")

    def solution(self) -> None:
        """Prints the worked answer."""
        print(self._solution)

    def _judge(self, answer) -> Verdict:
        raise NotImplementedError

    def _accept(self) -> Verdict:
        return Verdict("right", f"Right. {self._right}")


def _empty(answer, value) -> Verdict | None:
    """What to say of a function that has returned nothing: not begun, or the return forgotten."""
    if value is ... or (value is None and is_untouched(answer)):
        return Verdict("not attempted", NOT_ATTEMPTED)
    return Verdict("wrong", NOTHING_RETURNED) if value is None else None


class FunctionExercise(Exercise):
    """Write a function: compared with the reference on each case, and with each known mistake.

    cases() gives a list of dictionaries of arguments, made anew at each call: several shapes, dtypes and t.
    An answer is right if it gives what the reference gives, in value, shape, dtype and device, and leaves its
    arguments as they were. If not, it is compared with the mistakes: the one that gives the same in
    every case is named. `tolerance` is absolute, and relative to the largest value that is wanted.
    """

    def __init__(
        self, key, reference: Callable, cases: Callable[[], list[dict]], *, tolerance=1e-5, **common
    ):
        if "solution" not in common:
            common["solution"] = inspect.getsource(reference)
        super().__init__(key, **common)
        self.reference, self.cases, self.tolerance = reference, cases, tolerance

    def _judge(self, answer) -> Verdict:
        if not callable(answer):
            return Verdict(
                "wrong", f"A function is wanted, got {answer!r}. Pass its name, without calling it."
            )
        got = [Outcome(answer, case) for case in self.cases()]
        if got[0].error is None and (empty := _empty(answer, got[0].value)):
            return empty
        if isinstance(got[0].error, NotImplementedError):
            return Verdict("not attempted", NOT_ATTEMPTED)
        wanted = [Outcome(self.reference, case) for case in self.cases()]
        complaints = [w.differs(g, self.tolerance) for w, g in zip(wanted, got)]
        if not any(complaints):
            return self._accept()
        for mistake in self.mistakes:
            outcomes = [Outcome(mistake.answer, case) for case in self.cases()]
            if not any(o.differs(g, self.tolerance) for o, g in zip(outcomes, got)):
                return Verdict("wrong", mistake.says)
        first = next(i for i, complaint in enumerate(complaints) if complaint)
        status = "crashed" if got[first].error else "wrong"
        return Verdict(status, f"{complaints[first]} It was called with {describe(self.cases()[first])}.")


class PropertyExercise(Exercise):
    """Write a function whose result may vary (it draws at random, or builds a layer): judged by a test.

    test(answer) gives None if all is well, else the sentence to say. `reference` must pass it.
    """

    def __init__(self, key, reference, test: Callable[[Any], str | None], **common):
        if "solution" not in common:
            common["solution"] = inspect.getsource(reference)
        super().__init__(key, **common)
        self.reference, self.test = reference, test

    def _judge(self, answer) -> Verdict:
        if not callable(answer):
            return Verdict(
                "wrong", f"A function is wanted, got {answer!r}. Pass its name, without calling it."
            )
        called = []

        def watched(*args, **kwargs):
            torch.default_generator.manual_seed(0)
            result = answer(*args, **kwargs)
            called.append(result)
            return result

        watched.__wrapped__ = answer  # for a test that looks at the answer itself
        try:
            complaint = self.test(watched)
            verdict = Verdict("wrong", complaint) if complaint else self._accept()
        except NotImplementedError:
            return Verdict("not attempted", NOT_ATTEMPTED)
        except Exception as error:
            verdict = Verdict("crashed", where_it_stopped(error, answer))
        return (called and _empty(answer, called[0])) or verdict


class ChoiceExercise(Exercise):
    """Predict before you run: options maps a letter to its text, `answer` is the right letter.

    why maps each wrong letter to the sentence that clears up the misconception behind it.
    """

    def __init__(self, key, options: dict[str, str], answer: str, why: dict[str, str], **common):
        if set(why) != set(options) - {answer}:
            raise ValueError(f"{key} must say why for {sorted(set(options) - {answer})}, got {sorted(why)}")
        common.setdefault("solution", f"{answer}: {options[answer]}")
        super().__init__(key, mistakes=[Mistake(letter, says) for letter, says in why.items()], **common)
        self.options, self.reference = options, answer

    def _judge(self, answer) -> Verdict:
        letter = answer.strip().lower() if isinstance(answer, str) else answer
        if letter == self.reference:
            return self._accept()
        for mistake in self.mistakes:
            if letter == mistake.answer:
                return Verdict("wrong", f"Not {letter}. {mistake.says}")
        letters = ", ".join(repr(option) for option in self.options)
        if not isinstance(answer, str):
            return Verdict("wrong", f"A letter in quotation marks is wanted, one of {letters}.")
        return Verdict("wrong", f"The answer must be one of {letters}, got {answer!r}.")


class NumberExercise(Exercise):
    """Work out a number: right within `tolerance` of the reference; mistakes are known wrong numbers."""

    def __init__(self, key, reference: float, *, tolerance: float, **common):
        super().__init__(key, **common)
        self.reference, self.tolerance = reference, tolerance

    def _judge(self, answer) -> Verdict:
        try:
            number = float(answer)
        except (TypeError, ValueError, RuntimeError):
            return Verdict("wrong", f"The answer must be one number, got {answer!r}.")
        if abs(number - self.reference) <= self.tolerance:
            return self._accept()
        for mistake in self.mistakes:
            if abs(number - mistake.answer) <= self.tolerance:
                return Verdict("wrong", mistake.says)
        side = "small" if number < self.reference else "large" if number > self.reference else "undefined"
        return Verdict(
            "wrong", f"{number:g} is too {side}." if side != "undefined" else f"{number} is no number."
        )
