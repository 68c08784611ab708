"""``python -m eval``: one short function a command.

Data goes to standard output, progress and messages to standard error. Exit codes: 0 done, 1 done in
part (some questions failed, or it was stopped) or, for ``gate``, a loss, 2 the user can mend it,
3 another process has the library or the run.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from qa.cli import globals_first, run_program
from qa.errors import InputError, QaError

if TYPE_CHECKING:
    from eval.running import Options
    from eval.types import Case, QuestionSet, Record
    from qa.library import Library

EVERYWHERE = "Everywhere: --json, --seed N."

app = typer.Typer(
    help="Ask a question set, measure the answers, compare two runs, keep a baseline.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A folder made by run.")]


class Everywhere:
    """The options that every command takes, before or behind it."""

    json: bool = False
    seed: int = 0


@app.callback()
def everywhere(
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option(help="For resampling, and for models that draw.")] = 0,
) -> None:
    Everywhere.json, Everywhere.seed = json, seed


@app.command(epilog=EVERYWHERE)
def run(  # noqa: PLR0913, PLR0917  options of a command line, not a call
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS")],
    out: Annotated[Path, typer.Option(metavar="RUN_DIR", help="Folder of the run.")],
    articles: Annotated[
        Path | None, typer.Option(help="Articles to ask; kept as a library in RUN_DIR.")
    ] = None,
    library: Annotated[Path | None, typer.Option(help="Ask this library as it is.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N questions.")] = None,
    retrieval_only: Annotated[
        bool, typer.Option("--retrieval-only", help="Search only; no answers.")
    ] = False,
    jobs: Annotated[
        int, typer.Option(min=1, help="Questions asked at once; latencies are then of that.")
    ] = 1,
) -> None:
    """Ask the questions of a set; log every case, write summary.json. Resumes where it stopped."""
    from eval import opening, printing, reading, running

    given = reading.read(questions)
    source = opening.source_of(articles, library, given)
    options = running.Options(limit, retrieval_only, Everywhere.seed, jobs)
    with running.locked(out), _opened(library if source is None else out / "library") as opened:
        unread = _prepare(opened, given, source, (out, options))
        cases = _ask(opened, given, out, options)
        summary = _summarise(out, cases)
    _print(summary, printing.summary(summary))
    _tell(printing.after_run(out, cases))
    if unread or any(case.error for case in cases):
        raise typer.Exit(1)


@app.command(epilog=EVERYWHERE)
def score(
    run: RunArgument,
    judge: Annotated[
        bool, typer.Option("--judge", help="Also ask the configured language model about answers.")
    ] = False,
) -> None:
    """Compute summary.json anew from the log, without asking again."""
    from eval import log, printing

    cases = log.read_cases(run)
    summary = _summarise(run, cases)
    _print(summary, printing.summary(summary))
    if judge:
        _tell([printing.judge(_judge(run, cases))])


@app.command(epilog=EVERYWHERE)
def report(
    run: RunArgument,
    kind: Annotated[
        Literal["html", "md", "junit"], typer.Option("--format", help="What to write.")
    ] = "html",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead of RUN_DIR/report.*; - prints it.")
    ] = None,
) -> None:
    """Write a report: an HTML file to read, Markdown for a pull request, or JUnit XML."""
    from eval import reporting

    path = out or run / reporting.FILES[kind]
    text = reporting.render(run, kind, Everywhere.seed)
    if str(path) == "-":
        typer.echo(text, nl=False)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    _print({"report": str(path)}, str(path))


@app.command(epilog=EVERYWHERE)
def compare(
    before: Annotated[Path, typer.Argument(metavar="A")],
    after: Annotated[Path, typer.Argument(metavar="B")],
) -> None:
    """Hold run B against run A, question by question."""
    from eval import comparing, log, printing, scoring

    first, second = (scoring.score(log.read_cases(run)) for run in (before, after))
    differences = comparing.compare(first, second, Everywhere.seed)
    record = {"measures": [comparing.record(each) for each in differences]}
    _print(record, printing.differences(differences))


@app.command(epilog=EVERYWHERE)
def gate(
    run: RunArgument,
    baseline: Annotated[Path, typer.Option(metavar="B", help="File of the baseline.")],
    write_baseline: Annotated[
        bool, typer.Option("--write-baseline", help="Make this run the baseline.")
    ] = False,
) -> None:
    """Exit 1 where a run is worse than its baseline beyond the noise."""
    from eval import comparing, gating, log, printing, scoring

    scores = scoring.score(log.read_cases(run))
    if write_baseline:
        gating.write_baseline(baseline, scores, log.read_run(run))
        _tell([f"{baseline} holds the scores of {len(scores.ids)} questions."])
        return
    differences = gating.check(scores, log.read_run(run), baseline, Everywhere.seed)
    lost = gating.losses(differences)
    record = {
        "ok": not lost,
        "lost": [each.name for each in lost],
        "measures": [comparing.record(each) for each in differences],
    }
    _print(record, printing.gate(differences, lost))
    if lost:
        raise typer.Exit(1)


@app.command(epilog=EVERYWHERE)
def injection(
    attacks: Annotated[Path, typer.Argument(metavar="ATTACKS", help="Payloads, one a line.")],
    questions: Annotated[Path, typer.Option(help="Questions whose evidence is poisoned.")],
    articles: Annotated[Path, typer.Option(help="The articles they belong to.")],
) -> None:
    """Plant payloads in copies of articles; does a model that obeys get more than words through?"""
    import tempfile

    from eval import injection as attacking
    from eval import reading
    from eval.support.reading import articles as articles_of

    planted = attacking.read_attacks(attacks)
    known = list(articles_of(articles)[0].values())
    with tempfile.TemporaryDirectory() as folder:
        outcomes = attacking.run(planted, known, reading.read(questions).questions, Path(folder))
    record = attacking.counted(outcomes)
    text = "\n".join(f"{key}: {value}" for key, value in record.items())
    _print(record, text)
    if record["successes"]:
        raise typer.Exit(1)


@app.command(epilog=EVERYWHERE)
def support(
    pairs: Annotated[Path | None, typer.Argument(metavar="[PAIRS]", help="Pairs to judge.")] = None,
    articles: Annotated[
        Path | None, typer.Option(help="Articles to make pairs of; with PAIRS, that they quote.")
    ] = None,
    per_article: Annotated[int, typer.Option(min=1, help="Sentences taken of an article.")] = 4,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the pairs made as JSON Lines.")
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Print N errors of each kind.")] = 0,
) -> None:
    """Does the support check tell a sentence that its quote bears out from one that it does not?"""
    from eval.support import judging, printing, reading

    _one_source(pairs, articles, out)
    known, failed = reading.articles(articles) if articles else (None, [])
    _tell(f"{failure.source}: {failure.reason}" for failure in failed)
    if pairs:
        given = reading.read(pairs, known)
    else:
        given = reading.made(articles or Path(), known or {}, Everywhere.seed, per_article)
    if out:
        reading.write(out, given)
    judged, ms_a_pair = judging.judge(given)
    record, wrong = judging.summarise(judged, ms_a_pair), judging.errors(judged, show)
    shown = {"errors": [judging.error_record(each) for each in wrong]} if show else {}
    text = "\n\n".join(filter(None, (printing.summary(record), printing.errors(wrong))))
    _print(record | shown, text)
    if failed:
        raise typer.Exit(1)


@app.command(epilog=EVERYWHERE)
def feedback(
    library: Annotated[
        Path | None, typer.Option(help="Whose chat; else the configured one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead of standard output.")
    ] = None,
) -> None:
    """Make a question set of the answers that readers rated in the chat."""
    from eval import feedback as rating
    from qa.settings import load_settings

    questions, left_out = rating.read(load_settings(library=library).library)
    _tell(rating.told(left_out))
    if out is None:
        typer.echo(rating.lines(questions), nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(rating.lines(questions), encoding="utf-8")
    record = {"questions": len(questions), "left_out": dict(left_out), "file": str(out)}
    _print(record, f"{out}: {len(questions)} questions")


def main() -> None:
    """The entry point: runs a command and turns every error into one line and an exit code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    words = globals_first(arguments, "--seed") or ["--help"]
    return run_program(app, "python -m eval", words, _explain)


def _explain(error: BaseException) -> int:
    from typer.exceptions import TyperException

    if isinstance(error, QaError):
        return _fail(str(error), error.exit_code)
    if isinstance(error, TyperException):
        return _fail(f"{error.format_message()} See: python -m eval --help", 2)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return _fail("Stopped. Run the same command again to go on where it was.", 1)
    if isinstance(error, OSError):
        return _fail(f"{error.filename or 'A file'}: {error.strerror or error}.", 2)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return _fail(
        f"This should not have happened: {error!r} in {place.filename}, line {place.lineno}. "
        "Please report it.",
        2,
    )


def _one_source(pairs: Path | None, articles: Path | None, out: Path | None) -> None:
    if pairs is None and articles is None:
        raise InputError("Give a file of pairs, or --articles to make pairs of.")
    if pairs is not None and out is not None:
        raise InputError("--out is for pairs that are made of --articles; leave PAIRS out.")


def _opened(path: Path | None) -> Library:
    from qa.library import Library
    from qa.settings import load_settings

    return Library.open(settings=load_settings(library=path))


def _judge(run: Path, cases: Sequence[Case]) -> Record:
    from eval import judging, running
    from qa.settings import load_settings

    with running.locked(run):
        return judging.judge(run, cases, judging.ChatEndpoint(load_settings()))


def _summarise(run: Path, cases: Sequence[Case]) -> Record:
    """Computes and writes ``summary.json``."""
    from eval import log, scoring

    summary = scoring.summarise(cases, log.read_run(run).get("settings", {}), Everywhere.seed)
    log.write_json(run / log.SUMMARY, summary)
    return summary


def _prepare(
    library: Library, questions: QuestionSet, source: Any, run: tuple[Path, Options]
) -> bool:
    """Begins or takes up the run and fills its library; whether some article could not be read."""
    from eval import opening, progress, running

    out, options = run
    extra = {"retrieval_only": options.retrieval_only, "seed": options.seed}
    if running.begin(out, opening.identity(questions, library, source, extra)):
        _tell(["The code of qa has changed since this run was begun: its cases mix two versions."])
    if source is None:
        return False
    with progress.of_adding() as on_progress:
        failed = list(opening.fill(library, source, on_progress))
    _tell(f"{failure.source}: {failure.reason}" for failure in failed)
    return bool(failed)


def _ask(library: Library, given: QuestionSet, out: Path, options: Options) -> Any:
    from eval import progress, running

    listings = library.articles()
    ids = {listing.id for listing in listings}
    urls = {listing.url: listing.id for listing in listings if listing.url}
    questions = running.resolve(given.questions, ids, urls)
    missing = running.missing_evidence(questions, ids)
    if missing:
        _tell([f"{len(missing)} evidence articles are not in the library ({missing[0]}, …)."])
    with progress.of_asking(len(questions[: options.limit])) as on_case:
        return running.run(library, questions, out, options, on_case)


def _print(record: Record, text: str) -> None:
    typer.echo(json.dumps(record, ensure_ascii=False) if Everywhere.json else text)


def _tell(lines: Any) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _fail(message: str, code: int) -> int:
    typer.echo(f"eval: {' '.join(message.split())}", err=True)
    return code
