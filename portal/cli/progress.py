"""Progress bars, on stderr so that stdout stays the answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Callable[[float, str], None]]:
    """A bar for the block; what it yields is told the fraction done, 0 to 1, and what is being done.

    Where nobody watches a terminal, a line for every tenth part instead, so that a log shows that it goes on.
    """
    if not console.is_terminal:
        yield _lines(console, title)
        return
    columns = (
        TextColumn("[bold]{task.description}", markup=True),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=1.0, doing="")

        def report(fraction: float, doing: str) -> None:
            progress.update(task, completed=fraction, doing=doing)

        yield report


def _lines(console: Console, title: str) -> Callable[[float, str], None]:
    told = -1

    def report(fraction: float, doing: str) -> None:
        nonlocal told
        tenths = int(fraction * 10)
        if tenths > told:
            told = tenths
            console.print(f"{title}: {tenths * 10} % {doing}".rstrip(), markup=False, highlight=False)

    return report
