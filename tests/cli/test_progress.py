"""Progress of long work: plain lines in a file, seldom but never silent; bars on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from evalkit.cli.progress import Progress, Task


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines_of(steps: int, seconds: float, total: int | None = None, **task: object) -> list[str]:
    """What is printed of ``steps`` units of work that take ``seconds`` each."""
    clock, file = Clock(), StringIO()
    with Progress(console=Console(file=file), clock=clock) as progress:
        shown: Task = progress.task("rendering frames", total or steps, "sequences", **task)  # type: ignore[arg-type]
        for _ in range(steps):
            clock.now += seconds
            shown.advance()
    return file.getvalue().splitlines()


def test_the_first_line_comes_before_the_first_result() -> None:
    assert lines_of(0, 1, total=1600) == ["rendering frames: 0 of 1600 sequences"]


def test_a_line_says_how_far_how_fast_and_how_long() -> None:
    assert lines_of(90, 0.5, total=1600)[1] == "rendering frames: 80 of 1600 sequences, 2.0/s, 13 min left"


def test_short_work_has_two_lines() -> None:
    assert lines_of(90, 0.1) == ["rendering frames: 0 of 90 sequences", "rendering frames: 90 of 90 sequences, 10.0/s"]


def test_lines_are_ten_seconds_apart_and_no_more_than_a_minute() -> None:
    assert len(lines_of(1000, 0.1)) == 2 + 9, "100 seconds: the first, one each ten seconds, the last is one of them"
    assert len(lines_of(1600, 0.5)) == 2 + 19, "800 seconds: one each twentieth"
    assert len(lines_of(3600, 1.0, total=10**6)) == 1 + 60, "a long work: one a minute"


def test_slow_work_names_the_time_of_each() -> None:
    assert lines_of(1, 90, total=3)[1] == "rendering frames: 1 of 3 sequences, 90.0 s each, 3 min left"


def test_work_that_is_resumed_is_timed_from_where_it_was() -> None:
    assert lines_of(20, 1, total=100, done=50)[-1] == "rendering frames: 70 of 100 sequences, 1.0/s, 30 s left"


def test_a_rate_may_be_of_something_else() -> None:
    clock, file = Clock(), StringIO()
    with Progress(console=Console(file=file), clock=clock) as progress:
        task = progress.task("training rust", 6000, "steps", rate_of=("clips", 64))
        clock.now = 160
        task.advance_to(500, "loss 0.0312")
    expected = "training rust: 500 of 6000 steps, loss 0.0312, 200 clips/s, 29 min left"
    assert file.getvalue().splitlines()[-1] == expected


def test_a_terminal_shows_bars_and_a_disabled_one_nothing() -> None:
    for console, disabled, shown in ((Console(file=StringIO(), force_terminal=True, width=150), False, True),
                                     (Console(file=StringIO()), True, False)):  # fmt: skip
        with Progress(disabled=disabled, console=console) as progress:
            task = progress.task("rendering frames", 4, "sequences")
            task.advance(4, "done")
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert ("4/4" in text and "━" in text) == shown == bool(text)
