"""The page: its layout, and what happens on it."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr

from qa import tracing
from qa.errors import InputError, QaError
from qa.library import Library
from qa.web import conversation, exporting, hosting, keeping, languages, logs, rendering, shelf
from qa.web.conversation import Chat, Reader, View
from qa.web.keeping import Kept
from qa.web.languages import CODES, Words, words
from qa.web.line import FullError, LeftError, Line

TITLE = "Ask the articles"
PAGED = 50  # articles of the list shown at first, and more each time
CHOICES = 300  # articles that the filter offers at once; typing finds the others
OTHERS = 60  # events that are worked on while the whole line waits
EARLIER = 8  # conversations that an empty page offers to go back to

# The page's own elements are morphed in place, so one listener on what stays will do. What is
# pressed says what it does, and everything about it stands in its data.
ON_PRESS = """element.addEventListener('click', event => {
    const at = event.target.closest('[data-act]');
    if (!at) return;
    const form = at.closest('[data-form]');
    const text = at.dataset.withText && form ? form.querySelector('textarea').value : null;
    trigger(at.dataset.act, {...at.dataset, text});
});"""
# What only the browser knows when the page opens: what it was asked to show.
ON_OPEN = """() => {
    const asked = {
        search: location.search,
        conversation: sessionStorage.getItem('qa-conversation') || '',
        known: JSON.parse(localStorage.getItem('qa-conversations') || '[]'),
    };
    if (location.search) history.replaceState(null, '', location.pathname);
    return [JSON.stringify(asked)];
}"""
ON_SAVE = """given => {
    const {name, type, text} = JSON.parse(given || '{}');
    if (!name) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], {type}));
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
}"""
I18N = gr.I18n(
    **{
        code: {key: text for key, text in words(code).texts.items() if isinstance(text, str)}
        for code in CODES
    }
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the events of the page work with."""

    chat: Chat
    line: Line

    def editable(self, request: gr.Request | None) -> bool:
        """Whether who asks may add and delete articles."""
        headers = dict(request.headers) if request else {}
        return hosting.editable(self.chat.library.settings, headers)


def page(desk: Desk) -> gr.Blocks:
    """The layout, and what happens on it."""
    blocks: gr.Blocks
    with gr.Blocks(
        title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)
    ) as blocks:
        parts = Parts(desk)
        _asking(desk, parts)
        _looking(desk, parts)
        _shelving(desk, parts)
        _opening(desk, parts, blocks)
    # Gradio has a limit of its own to what it works on, 40, and lets all else wait without a word:
    # our line is to be the shorter one, since it tells who waits how many are before them.
    blocks.max_threads = desk.line.longest + OTHERS
    blocks.queue(default_concurrency_limit=None)
    return blocks


class Parts:
    """The components, in the order in which they stand on the page."""

    def __init__(self, desk: Desk) -> None:
        self.head = _html("qa-head")
        self.notice = _html("qa-notice")
        with gr.Row(elem_id="qa-layout"):
            with gr.Column(elem_id="qa-main"):
                self.thread = _html("qa-conversation")
                self.next = _html("qa-following")
                with gr.Column(elem_id="qa-composer"):
                    self._composer(desk)
            with gr.Column(elem_id="qa-side"):
                self.panel = _html("qa-sources")
        self._shelf()
        self.reader = _html("qa-reader-pane")
        self.conversation = gr.Textbox("", visible="hidden", label="Conversation")
        self.at = gr.Number(0, visible="hidden", label="Question to change", precision=0)
        self.asked = gr.Textbox("", visible="hidden", label="Opened with")
        self.saved = gr.Textbox("", visible="hidden", label="To save")
        self.asking: list[Any] = []  # the events that ask; a new conversation breaks them off

    def _composer(self, desk: Desk) -> None:
        library = desk.chat.library
        self.changing = _html("qa-changing-note")
        self.box = gr.Textbox(
            label=I18N("question"),
            placeholder=I18N("ask_placeholder"),
            max_lines=6,
            submit_btn="Ask",
            autofocus=True,
            elem_id="qa-question",
        )
        with gr.Row(elem_id="qa-tools"):
            with gr.Accordion(I18N("filters"), open=False, elem_id="qa-filters") as self.filters:
                with gr.Row():
                    self.publishers = gr.Dropdown(
                        conversation.publishers(library),
                        multiselect=True,
                        allow_custom_value=True,  # one that is gone finds nothing, in our words
                        label=I18N("publishers"),
                        value=[],
                    )
                    self.articles = gr.Dropdown(
                        safely(_titled, [])(library),
                        multiselect=True,
                        allow_custom_value=True,  # one that is gone finds nothing, in our words
                        label=I18N("only_articles"),
                        value=[],
                    )
                with gr.Row():
                    self.after = _day_box("from", "2024-01-01")
                    self.before = _day_box("to", "2024-12-31")
            with gr.Row(elem_id="qa-actions"):
                self.save_markdown = _quiet_button("save_markdown")
                self.save_json = _quiet_button("save_json")
                self.clear = _quiet_button("new")

    def _shelf(self) -> None:
        with gr.Column(elem_id="qa-shelf-page"):
            self.files = gr.File(
                file_count="multiple",
                file_types=list(shelf.KINDS),
                label=I18N("add_label"),
                height=180,
                visible=False,
                elem_id="qa-files",
            )
            self.uploads = _html("qa-uploads")
            self.find = gr.Textbox(label=I18N("find_article"), elem_id="qa-find", max_lines=1)
            self.list = _html("qa-article-list")

    @property
    def filtering(self) -> list[Any]:
        return [self.publishers, self.articles, self.after, self.before]

    @property
    def shown(self) -> list[Any]:
        """What an answer changes."""
        return [self.box, self.thread, self.panel, self.conversation, self.next]


def _html(name: str) -> gr.HTML:
    return gr.HTML("", elem_id=name, js_on_load=ON_PRESS, apply_default_css=False)


def _day_box(key: str, example: str) -> gr.Textbox:
    return gr.Textbox("", label=I18N(key), placeholder=example, max_length=10, max_lines=1)


def _quiet_button(key: str) -> gr.Button:
    return gr.Button(I18N(key), elem_id=f"qa-{key.replace('_', '-')}", size="sm")


# Every event is quiet, and waits in no line but our own.
QUIET: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": None}
PRIVATE: dict[str, Any] = {**QUIET, "api_visibility": "private"}


def reader_of(request: gr.Request | None) -> Reader:
    """Who asks, and in which language: what the sign-in and the browser say."""
    if request is None:
        return Reader()
    accepted = request.headers.get("accept-language")
    key = request.headers.get(logs.HEADER, "")
    return Reader(request.username or "", languages.chosen(accepted), key)


# Asking


def _asking(desk: Desk, parts: Parts) -> None:
    state = [parts.conversation, *parts.filtering]

    async def ask(  # noqa: PLR0913, PLR0917  an argument a component
        question: str,
        conversation: str,
        publishers: list[str],
        articles: list[str],
        after: str,
        before: str,
        at: int,
        request: gr.Request,
    ) -> AsyncIterator[Any]:
        given = (conversation, publishers, articles, after, before)
        async for update in asked(desk, question, given, reader_of(request), at or None):
            yield update

    async def example(event: gr.EventData, request: gr.Request, *given: Any) -> AsyncIterator[Any]:
        question = str(event._data.get("question", ""))
        async for update in asked(desk, question, given, reader_of(request)):
            yield update

    async def retry(event: gr.EventData, request: gr.Request, *given: Any) -> AsyncIterator[Any]:
        reader, number = reader_of(request), _number(event, "turn")
        try:
            question = desk.chat.question(given[0], number, reader)
        except QaError as error:
            yield _failed(desk, given[0], "", str(error), reader)
            return
        if event._data.get("free"):
            given = (given[0], [], [], "", "")
        async for update in asked(desk, question, given, reader, number):
            yield update

    events = [
        parts.box.submit(
            ask,
            [parts.box, *state, parts.at],
            parts.shown,
            api_name="ask",
            trigger_mode="multiple",
            **QUIET,
        )
    ]
    for part in (parts.thread, parts.next):
        events.append(part.click(example, state, parts.shown, **PRIVATE))
    events.append(parts.thread.retry(retry, state, parts.shown, **PRIVATE))
    parts.asking = events
    _after_answers(desk, parts, events)


def _after_answers(desk: Desk, parts: Parts, events: list[Any]) -> None:
    """What follows an answer: the question box is itself again, and questions are suggested."""

    def settled() -> tuple[str, int]:
        return "", 0

    def follow(conversation: str, request: gr.Request) -> str:
        reader = reader_of(request)
        busy = not desk.line.idle or desk.chat.running.runs(conversation)
        if busy:  # those who have asked come first
            return ""
        return rendering.following(desk.chat.following(conversation, reader), reader.t)

    for event in events:
        after = event.then(settled, None, [parts.changing, parts.at], **PRIVATE)
        after.then(safely(follow, ""), [parts.conversation], [parts.next], **PRIVATE)

    def stop(conversation: str) -> None:
        desk.chat.running.stop(conversation)

    parts.thread.stop(stop, [parts.conversation], None, queue=False, **PRIVATE)
    _changing(desk, parts)


async def asked(
    desk: Desk, question: str, given: tuple[Any, ...], reader: Reader, at: int | None = None
) -> AsyncIterator[tuple[Any, ...]]:
    """Updates of what an answer changes, from the first one to the last.

    The question box is emptied once, so that the next question can be typed meanwhile.
    """
    tracing.concern(tracing.REQUEST, reader.request)
    conversation_id, *chosen = given
    try:
        filters = conversation.filters_of(chosen[0], chosen[1], chosen[2], chosen[3], reader.t)
    except InputError as error:
        yield _failed(
            desk, conversation_id, question, conversation.explain(error, reader.t), reader
        )
        return

    kept = conversation_id if keeping.valid(conversation_id) else keeping.new_conversation()
    running = desk.chat.running

    def waiting(position: int) -> View:
        running.wait(kept)
        line, number = reader.t("busy", position=position), at or desk.chat.length(kept, reader) + 1
        turn = rendering.waiting(number, question, line, reader.t)
        return desk.chat.view(kept, reader, [turn], before=number)

    def work() -> Iterator[View]:
        return desk.chat.ask(kept, question, filters, reader, at)

    box: Any = ""
    try:
        async for view in desk.line.run(work, waiting, lambda: running.waits(kept)):
            yield (box, view.thread, view.panel, view.conversation, "")
            box = gr.skip()
        if running.runs(kept):
            # Gradio shows the last update again at the end: over the next question, then.
            yield (gr.skip(),) * 5
    except FullError:
        yield _failed(desk, conversation_id, question, reader.t("too_busy"), reader, True)
    except LeftError:
        yield _failed(desk, kept, question, reader.t("left"), reader)
    except Exception as error:
        yield _failed(desk, kept, question, conversation.explain(error, reader.t), reader)
    finally:
        running.enter(kept)


def _failed(
    desk: Desk,
    conversation_id: str,
    question: str,
    problem: str,
    reader: Reader,
    busy: bool = False,
) -> tuple[Any, ...]:
    """The question goes back into its box, and the thread says why."""
    view = desk.chat.alone(conversation_id, question, problem, reader, busy)
    return (question, view.thread, view.panel, view.conversation, "")


def _changing(desk: Desk, parts: Parts) -> None:
    """Changing a question, taking it back, saying what one thinks of its answer."""

    def edit(event: gr.EventData, conversation: str, request: gr.Request) -> tuple[Any, ...]:
        reader, number = reader_of(request), _number(event, "turn")
        question = desk.chat.question(conversation, number, reader)
        return question, number, rendering.changing(number, reader.t)

    def undo(conversation: str, request: gr.Request) -> tuple[Any, ...]:
        reader = reader_of(request)
        question = desk.chat.kept.undo(conversation, owner=reader.name)
        view = desk.chat.view(conversation, reader)
        return question, view.thread, view.panel, view.conversation, ""

    def like(event: gr.EventData, conversation: str, request: gr.Request) -> tuple[str, str]:
        reader, data = reader_of(request), event._data
        liked = {"up": True, "down": False}.get(str(data.get("liked")))
        reason = str(data.get("reason") or "")
        desk.chat.rate(
            conversation, _number(event, "turn"), liked, reason, data.get("text"), reader
        )
        view = desk.chat.view(conversation, reader)
        return view.thread, view.panel

    keeps = [parts.conversation]
    parts.thread.edit(
        _guarded(edit, 3),
        keeps,
        [parts.box, parts.at, parts.changing, parts.notice],
        **PRIVATE,
    )
    parts.thread.undo(_guarded(undo, 5), keeps, [*parts.shown, parts.notice], **PRIVATE)
    parts.thread.like(
        _guarded(like, 2), keeps, [parts.thread, parts.panel, parts.notice], **PRIVATE
    )
    parts.changing.clear(
        lambda: ("", 0, ""), None, [parts.box, parts.at, parts.changing], **PRIVATE
    )


# Looking


def _looking(desk: Desk, parts: Parts) -> None:
    """Articles read whole, from a source, from the list."""

    def select(event: gr.EventData, conversation: str, request: gr.Request) -> str:
        reader, data = reader_of(request), event._data
        place = (_number(event, "start"), _number(event, "end"))
        key = str(data.get("article", ""))
        spans = desk.chat.spans(conversation, _number(event, "turn"), key, reader)
        return article_html(desk, key, place, spans, reader.t)

    def only(event: gr.EventData) -> tuple[Any, ...]:
        key = str(event._data.get("article", ""))
        return _article_choices(desk, [key]), gr.Accordion(open=True)

    for part in (parts.panel, parts.list):
        part.select(
            _guarded(select, 1),
            [parts.conversation],
            [parts.reader, parts.notice],
            **PRIVATE,
        )
    parts.reader.apply(
        _guarded(only, 2),
        None,
        [parts.articles, parts.filters, parts.notice],
        **PRIVATE,
    )

    def typed(chosen: list[str], event: gr.KeyUpData) -> Any:
        return _article_choices(desk, chosen, event.input_value)

    parts.articles.key_up(
        safely(typed, gr.skip()),
        [parts.articles],
        [parts.articles],
        trigger_mode="always_last",
        **PRIVATE,
    )


def article_html(
    desk: Desk, key: str, place: tuple[int, int], spans: list[tuple[int, int]], t: Words
) -> str:
    """An article with its marks; the words at ``place`` are gone to where there are any."""
    try:
        article = desk.chat.library.article(key)
    except InputError:
        return rendering.missing_article(t, secrets.token_hex(4))
    start, end = max(0, place[0]), min(place[1], len(article.text))
    active = (start, end) if start < end else None
    return rendering.reader(article, spans, active, t, secrets.token_hex(4))


def _article_choices(desk: Desk, chosen: list[str], typed: str = "") -> Any:
    """The filter's choices: what was chosen, and the newest articles that the typed words name."""
    titles = {key: title for title, key in _titled(desk.chat.library, typed)}
    for key in chosen:
        if key not in titles:
            titles |= shelf.title_of(desk.chat.library, key)
    return gr.Dropdown([(title, key) for key, title in titles.items()], value=list(chosen))


def _titled(library: Library, typed: str = "") -> list[tuple[str, str]]:
    """Titles and ids of the newest articles that the typed words name."""
    found, _ = shelf.listed(library, typed, CHOICES)
    return [(each.title.strip() or each.id, each.id) for each in found]


# Articles


def _shelving(desk: Desk, parts: Parts) -> None:
    library = desk.chat.library

    def listed(typed: str, request: gr.Request) -> str:
        return _shelf_html(desk, typed, request)

    def more(event: gr.EventData, typed: str, request: gr.Request) -> str:
        shown = _number(event, "shown") + PAGED
        return _shelf_html(desk, typed, request, shown)

    def doom(event: gr.EventData, typed: str, request: gr.Request) -> str:
        key = str(event._data.get("article", ""))
        return _shelf_html(desk, typed, request, doomed=key)

    def delete(event: gr.EventData, typed: str, request: gr.Request) -> tuple[Any, ...]:
        reader = reader_of(request)
        _refuse_unless(desk.editable(request), reader.t)
        title = shelf.delete(library, str(event._data.get("article", "")))
        desk.chat.forget_html()
        done = rendering.uploads(
            [rendering.Upload(reader.t("deleted", title=title), "", done=True)]
        )
        return (done, *_after_change(desk, typed, request))

    def add(files: list[str] | None, typed: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        reader = reader_of(request)
        _refuse_unless(desk.editable(request), reader.t)
        unchanged = [gr.skip()] * 4
        for uploads in shelf.add(library, [Path(name) for name in files or ()], reader.t):
            yield (None, rendering.uploads(uploads), *unchanged)
        desk.chat.forget_html()
        yield (None, rendering.uploads(uploads), *_after_change(desk, typed, request))

    changed = [parts.list, parts.head, parts.publishers, parts.articles]
    find = [parts.find]
    last = {**PRIVATE, "trigger_mode": "always_last"}
    parts.find.change(_guarded(listed, 1), find, [parts.list, parts.notice], **last)
    for event, does in ((parts.list.expand, more), (parts.list.click, doom)):
        event(_guarded(does, 1), find, [parts.list, parts.notice], **PRIVATE)
    parts.list.clear(_guarded(listed, 1), find, [parts.list, parts.notice], **PRIVATE)
    writing = {**PRIVATE, "concurrency_limit": 1, "concurrency_id": "write"}
    parts.list.delete(_guarded(delete, 5), find, [parts.uploads, *changed, parts.notice], **writing)
    parts.files.upload(
        _guarded_stream(add, 6),
        [parts.files, parts.find],
        [parts.files, parts.uploads, *changed, parts.notice],
        **writing,
    )


def _refuse_unless(editable: bool, t: Words) -> None:
    if not editable:
        raise InputError(t("read_only"))


def _shelf_html(
    desk: Desk, typed: str, request: gr.Request, most: int = PAGED, doomed: str = ""
) -> str:
    listings, count = shelf.listed(desk.chat.library, typed, most)
    editable, t = desk.editable(request), reader_of(request).t
    return rendering.shelf(listings, count, t, editable=editable, doomed=doomed)


def _after_change(desk: Desk, typed: str, request: gr.Request) -> tuple[Any, ...]:
    """The list, the head and the filters' choices, as the library is now."""
    library, t = desk.chat.library, reader_of(request).t
    head = rendering.header(conversation.overview(library, t), t)
    papers = gr.Dropdown(conversation.publishers(library), value=[])
    return _shelf_html(desk, typed, request), head, papers, _article_choices(desk, [])


# Opening


def _opening(desk: Desk, parts: Parts, blocks: gr.Blocks) -> None:
    async def opened(asked_for: str, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        reader, wish = reader_of(request), Wish.read(asked_for)
        first = _first(desk, wish, request)
        yield first
        if wish.question:
            rest = [gr.skip()] * (len(first) - 5)
            async for update in asked(desk, wish.question, ("", [], [], "", ""), reader):
                yield (*update, *rest)

    outputs = [*parts.shown, parts.head, parts.list, parts.reader, *parts.filtering[:2]]
    outputs.append(parts.files)
    loaded = blocks.load(
        _guarded_async(opened, len(outputs)),
        [parts.asked],
        [*outputs, parts.notice],
        js=ON_OPEN,
        **PRIVATE,
    )

    def begin(known: str, request: gr.Request) -> tuple[Any, ...]:
        return _first(desk, Wish.read(known, bare=True), request)

    fresh = {"js": ON_OPEN, **PRIVATE}
    everything = [*outputs, parts.notice]
    parts.clear.click(
        _guarded(begin, len(outputs)),
        [parts.asked],
        everything,
        cancels=[*parts.asking, loaded],
        **fresh,
    )

    def go_back(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        view = desk.chat.view(str(event._data.get("conversationId", "")), reader_of(request))
        return "", view.thread, view.panel, view.conversation, ""

    def forget(event: gr.EventData, request: gr.Request) -> None:
        reader = reader_of(request)
        desk.chat.kept.forget(str(event._data.get("conversationId", "")), owner=reader.name)

    parts.thread.expand(_guarded(go_back, 5), None, [*parts.shown, parts.notice], **PRIVATE)
    forgotten = parts.thread.delete(_guarded(forget, 0), None, [parts.notice], **PRIVATE)
    forgotten.then(_guarded(begin, len(outputs)), [parts.asked], everything, **fresh)
    _saving(desk, parts)


def _saving(desk: Desk, parts: Parts) -> None:
    def exchanges(conversation: str, request: gr.Request) -> list[Kept]:
        return desk.chat.kept.exchanges(conversation, owner=reader_of(request).name)

    def as_markdown(conversation: str, request: gr.Request) -> str:
        text = exporting.markdown(exchanges(conversation, request))
        return _file("conversation.md", "text/markdown", text)

    def as_json(conversation: str, request: gr.Request) -> str:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text = exporting.as_json(exchanges(conversation, request), now)
        return _file("conversation.json", "application/json", text)

    for button, save in ((parts.save_markdown, as_markdown), (parts.save_json, as_json)):
        event = button.click(
            _guarded(save, 1),
            [parts.conversation],
            [parts.saved, parts.notice],
            **PRIVATE,
        )
        event.then(None, [parts.saved], None, js=ON_SAVE, show_progress="hidden")


def _file(name: str, kind: str, text: str) -> str:
    return json.dumps({"name": name, "type": kind, "text": text})


@dataclass(frozen=True, slots=True)
class Wish:
    """What the page was opened for."""

    question: str = ""
    article: str = ""
    place: tuple[int, int] = (0, 0)
    conversation: str = ""
    known: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str, bare: bool = False) -> Wish:
        """From the browser's JSON, nothing where it is none; ``bare``: for a new conversation."""
        try:
            given = json.loads(text or "{}")
            known = tuple(str(key) for key in list(given.get("known", ()))[:EARLIER])
            if bare:
                return cls(known=known)
            query = parse_qs(str(given.get("search", "")).removeprefix("?"))
        except (ValueError, AttributeError, TypeError):
            return cls()

        def first(name: str) -> str:
            return query.get(name, [""])[0]

        place = (_whole(first("start")), _whole(first("end")))
        question, article = first("q"), first("article")
        before = "" if question else str(given.get("conversation", ""))
        return cls(question, article, place, before, known)


def _first(desk: Desk, wish: Wish, request: gr.Request) -> tuple[Any, ...]:
    """Everything, as it is when the page opens."""
    reader, editable = reader_of(request), desk.editable(request)
    library, t = desk.chat.library, reader.t
    overview = conversation.overview(library, t)
    view = desk.chat.view(wish.conversation, reader) if wish.conversation else None
    if view is None or "qa-turn" not in view.thread:
        view = View("", _welcome(desk, overview, wish, reader, editable), "")
    there, opened = bool(overview.articles) and not overview.problem, ""
    if wish.article and not overview.problem:
        missing = rendering.missing_article(t, secrets.token_hex(4))
        opened = article_html(desk, wish.article, wish.place, [], t) if there else missing
    return (
        gr.Textbox("", submit_btn=t("ask")),
        view.thread,
        view.panel,
        view.conversation,
        "",
        rendering.header(overview, t),
        _shelf_html(desk, "", request) if there else "",
        opened,
        gr.Dropdown(conversation.publishers(library), value=[]),
        _article_choices(desk, []) if there else gr.Dropdown([], value=[]),
        gr.File(visible=editable),
    )


def _welcome(
    desk: Desk, overview: rendering.Overview, wish: Wish, reader: Reader, editable: bool
) -> str:
    examples: list[str] = []
    if overview.articles and not overview.problem:
        examples = safely(desk.chat.examples, [])()
    earlier = safely(desk.chat.earlier, [])(wish.known, reader)
    path = str(desk.chat.library.path)
    return rendering.welcome(overview, examples, path, earlier, editable, reader.t)


# What goes wrong


def safely(does: Callable[..., Any], instead: Any) -> Callable[..., Any]:
    """For kindnesses, such as examples: what fails is logged, and is not there."""

    @wraps(does)
    def safe(*given: Any) -> Any:
        try:
            return does(*given)
        except Exception as error:
            conversation.explain(error, words("en"))
            return instead

    return safe


def _guarded(does: Callable[..., Any], outputs: int) -> Callable[..., Any]:
    """An event that says what goes wrong in the page's notice, and leaves all else as it is.

    ``outputs`` is how many components it changes, without the notice.
    """

    @wraps(does)
    def guarded(*given: Any) -> tuple[Any, ...] | str:
        try:
            with tracing.concerning(tracing.REQUEST, _request_id(given)):
                found = does(*given)
        except Exception as error:
            told = _told(error, given, outputs)
            return told if outputs else told[0]
        if outputs == 0:
            return ""
        return (*found, "") if outputs > 1 else (found, "")

    return guarded


def _guarded_stream(
    does: Callable[..., Iterator[tuple[Any, ...]]], outputs: int
) -> Callable[..., Iterator[tuple[Any, ...]]]:
    @wraps(does)
    def guarded(*given: Any) -> Iterator[tuple[Any, ...]]:
        try:
            for found in tracing.of(tracing.REQUEST, _request_id(given), does(*given)):
                yield (*found, "")
        except Exception as error:
            yield _told(error, given, outputs)

    return guarded


def _guarded_async(
    does: Callable[..., AsyncIterator[tuple[Any, ...]]], outputs: int
) -> Callable[..., AsyncIterator[tuple[Any, ...]]]:
    @wraps(does)
    async def guarded(*given: Any) -> AsyncIterator[tuple[Any, ...]]:
        tracing.concern(tracing.REQUEST, _request_id(given))
        try:
            async for found in does(*given):
                yield (*found, "")
        except Exception as error:
            yield _told(error, given, outputs)

    return guarded


def _told(error: Exception, given: tuple[Any, ...], outputs: int) -> tuple[Any, ...]:
    """So many components left as they are, and a notice in the language of who asked."""
    with tracing.concerning(tracing.REQUEST, _request_id(given)):
        problem = rendering.notice(conversation.explain(error, reader_of(_request(given)).t))
    return (*[gr.skip()] * outputs, problem)


def _request(given: tuple[Any, ...]) -> gr.Request | None:
    return next((each for each in given if isinstance(each, gr.Request)), None)


def _request_id(given: tuple[Any, ...]) -> str:
    """The id of the HTTP request that an event came with, under which it is logged."""
    request = _request(given)
    return request.headers.get(logs.HEADER, "") if request else ""


def _number(event: gr.EventData, name: str) -> int:
    return _whole(event._data.get(name, ""))


def _whole(text: object) -> int:
    """A number from the page, 0 for anything else."""
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 12 else 0
