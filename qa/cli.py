"""The command line: one short function a command; the library returns what is printed here.

Data goes to standard output, progress and messages to standard error. Exit codes: 0 done, 1 done in
part (or abstained, with --strict), 2 the user can mend it, 3 the library has another writer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qa import printing
from qa.errors import InputError, QaError

if TYPE_CHECKING:
    from qa.contract import Record
    from qa.library import Library
    from qa.types import Answer, Filters, Progress

GLOBAL_OPTIONS = "Everywhere: --library DIR (else QA_LIBRARY, else ./library), --json."

app = typer.Typer(
    help="Ask a pile of articles; get a short answer in which every sentence is cited.",
    epilog=GLOBAL_OPTIONS,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PublisherOption = Annotated[
    list[str] | None, typer.Option("--publisher", help="Only this publisher; may be repeated.")
]
ArticleOption = Annotated[
    list[str] | None, typer.Option("--article", help="Only this article id; may be repeated.")
]
AfterOption = Annotated[
    str | None, typer.Option("--after", metavar="DATE", help="Published on this day or later.")
]
BeforeOption = Annotated[
    str | None, typer.Option("--before", metavar="DATE", help="Published on this day or earlier.")
]


class Options:
    """The global options of this run, which may stand before or behind the command."""

    library: Path | None = None
    json: bool = False


def _print_version(wanted: bool) -> None:
    if wanted:
        from qa import __version__

        typer.echo(f"qa {__version__}")
        raise typer.Exit


@app.callback()
def global_options(
    library: Annotated[Path | None, typer.Option(help="Folder of the library.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version
    Options.library, Options.json = library, json


@app.command(epilog=GLOBAL_OPTIONS)
def add(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE")],
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove articles that have vanished from a folder.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes that cut and embed; 0: one a core.", min=0),
    ] = None,
) -> None:
    """Add or update articles from files and folders.

    Kinds: .txt .md .html .pdf .jsonl .csv

    With RAY_ADDRESS in the environment, a Ray cluster cuts and embeds, on all its cores or on as
    many as --workers says.
    """
    from qa import contract

    if workers is None and os.environ.get("RAY_ADDRESS"):
        workers = 0
    with _library() as library, _progress() as on_progress:
        report = library.add(sources, prune=prune, on_progress=on_progress, workers=workers)
    for line in printing.troubles(report):
        typer.echo(line, err=True)
    _print(contract.of_report(report), printing.report(report))
    if report.failed:
        raise typer.Exit(1 if report.articles else 2)


@app.command("list", epilog=GLOBAL_OPTIONS)
def list_articles() -> None:
    """List the articles, newest first."""
    from qa import contract

    with _library() as library:
        listings = library.articles()
    _print(contract.of_listings(listings), "\n".join(printing.listings(listings)))


@app.command(epilog=GLOBAL_OPTIONS)
def show(article_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one article whole."""
    from qa import contract

    with _library() as library:
        article = library.article(article_id)
    _print(contract.of_article(article), printing.article(article))


@app.command(epilog=GLOBAL_OPTIONS)
def remove(article_ids: Annotated[list[str], typer.Argument(metavar="ID")]) -> None:
    """Take articles out of the library."""
    from qa import contract

    with _library() as library:
        changes = library.remove(article_ids)
    _print(contract.of_removal(changes), f"{len(changes)} removed")


@app.command(epilog=GLOBAL_OPTIONS)
def search(
    query: str,
    k: Annotated[int, typer.Option("-k", help="How many passages.", min=1, max=1000)] = 10,
    publisher: PublisherOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    article: ArticleOption = None,
) -> None:
    """Find passages."""
    from qa import contract

    filters = _filters(publisher, after, before, article)
    with _library() as library:
        hits = library.search(query, k, filters)
    _print(contract.of_search(query, hits), printing.hits(hits))


@app.command(epilog=GLOBAL_OPTIONS)
def ask(
    question: str,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 on an abstention.")] = False,
    publisher: PublisherOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    article: ArticleOption = None,
) -> None:
    """Answer a question from the articles, every sentence cited."""
    from qa import contract

    filters = _filters(publisher, after, before, article)
    with _library() as library, _answering() as on_answer:
        for answer in library.stream(question, filters=filters):
            on_answer(answer)
    _print(contract.of_answer(answer), printing.answer(answer))
    if strict and answer.status == "abstained":
        raise typer.Exit(1)


@app.command(epilog=GLOBAL_OPTIONS)
def chat(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Start the web chat."""
    from qa.web import chat as web_chat

    web_chat.serve(_settings(host=host, port=port))


@app.command(epilog=GLOBAL_OPTIONS)
def mcp(
    http: Annotated[bool, typer.Option("--http", help="Serve over HTTP, not over pipes.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on, with --http.")] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on, with --http; else QA_PORT, else 7861."),
    ] = None,
    writing: Annotated[
        bool, typer.Option("--allow-writing", help="Also let clients add and remove articles.")
    ] = False,
) -> None:
    """Let programs search, ask and read by the Model Context Protocol."""
    from qa import integrations
    from qa.library import Library
    from qa.web import logs

    if not http and (host is not None or port is not None):
        raise InputError("--host and --port are for --http. Add it, or leave them out.")
    serve = integrations.serve_mcp
    settings = _settings(host=host, port=port)
    logging = logs.running(settings) if http else nullcontext()
    with logging, Library.open(settings=settings) as library:
        serve(library, http=http, writing=writing)


@app.command(epilog=GLOBAL_OPTIONS)
def doctor() -> None:
    """Check the library and the model it uses, and say what to do."""
    from qa import contract

    with _library() as library:
        checks = library.check()
    _print(contract.of_checks(checks), printing.checks(checks))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command(epilog=GLOBAL_OPTIONS)
def rebuild(
    embed: Annotated[
        bool, typer.Option("--embed", help="Also embed everything anew, with the configured model.")
    ] = False,
) -> None:
    """Build the search indexes anew from the catalog."""
    with _library() as library:
        count = library.rebuild(embed=embed)
    _print({"passages": count}, f"rebuilt, {count} passages")


def main() -> None:
    """The entry point: runs a command and turns every error into one line and an exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    from qa import tracing

    words = globals_first(arguments, "--library") or ["--help"]
    with tracing.exporting():
        return run_program(app, "qa", words, _explain)


def run_program(
    program: typer.Typer, name: str, words: Sequence[str], explain: Callable[[BaseException], int]
) -> int:
    """Runs a command line; ``explain`` turns whatever ends it early into a line and a code."""
    try:
        code = program(list(words), prog_name=name, standalone_mode=False)
        # Typer turns Ctrl-C into 130; what was stopped is done in part.
        return explain(KeyboardInterrupt()) if code == 130 else int(code or 0)
    except (Exception, KeyboardInterrupt) as error:
        return explain(error)


def _explain(error: BaseException) -> int:
    from typer.exceptions import TyperException

    if isinstance(error, QaError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, TyperException):
        return _fail(f"{error.format_message()} See: qa --help", 2)
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return _fail("Stopped. What was reported as added is safe; run it again to go on.", 1)
    return _fail(f"This should not have happened: {error!r}. {_keep_trace()}", 2)


def _fail(message: str, code: int) -> int:
    typer.echo(f"qa: {' '.join(message.split())}", err=True)
    return code


def _keep_trace() -> str:
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="qa-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(traceback.format_exc())
    except OSError:
        return "Please report it."
    return f"Please report it with {file.name}."


def globals_first(arguments: Sequence[str], option: str) -> list[str]:
    """Moves --json and an option with a value to the front, so that they work behind a command."""
    front: list[str] = []
    rest: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            return [*front, *rest, word, *left]
        if word == "--json" or word.startswith(f"{option}="):
            front.append(word)
        elif word == option and left:
            front += [word, left.pop(0)]
        else:
            rest.append(word)
    return front + rest


def _settings(**given: Any) -> Any:
    from qa.settings import load_settings

    return load_settings(library=Options.library, **given)


def _library() -> Library:
    from qa.library import Library

    return Library.open(settings=_settings())


def _filters(
    publisher: list[str] | None, after: str | None, before: str | None, article: list[str] | None
) -> Filters:
    from qa.types import Filters

    return Filters(
        tuple(publisher or ()),
        _day(after, "--after"),
        _day(before, "--before"),
        tuple(article or ()),
    )


def _day(text: str | None, option: str) -> Any:
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{option} wants a date like 2024-05-31, not {text!r}.") from error


def _print(record: Record, text: str) -> None:
    if Options.json:
        import json

        text = json.dumps(record, ensure_ascii=False)
    try:
        typer.echo(text)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _answering() -> Iterator[Callable[[Answer], None]]:
    """Shows an answer as it grows, in a terminal; else nothing until it is whole."""
    if Options.json or not (sys.stderr.isatty() and sys.stdout.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), transient=True, refresh_per_second=5) as live:

        def show(now: Answer) -> None:
            written = now.text if now.sentences else ""
            live.update(Text("\n".join(part for part in (written, now.stage) if part)))

        yield show


_STAGES = {"articles": "reading", "passages": "embedding"}


@contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar on standard error where that is a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[unit]}"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("left"),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, progress.TaskID] = {}

        def on_progress(now: Progress) -> None:
            if now.stage not in tasks:
                tasks[now.stage] = bar.add_task(_STAGES[now.stage], total=None, unit=now.stage)
            task = bar.tasks[-1]
            elapsed = task.elapsed or 0.0
            rate = f", {now.done / elapsed:.0f}/s," if elapsed > 1 else ""
            unit = f"{now.stage}{rate}"
            bar.update(tasks[now.stage], completed=now.done, total=now.total, unit=unit)

        yield on_progress


if __name__ == "__main__":
    main()
