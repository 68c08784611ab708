"""Ask a pile of articles; get a short answer in which every sentence is cited, or an honest no.

::

    from qa import Library

    with Library.open("library") as library:
        library.add(["articles/"])
        print(library.ask("When did the bridge reopen?").text)

Importing this package loads nothing heavy; models and stores are loaded when they are needed.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qa.errors import InputError as InputError
    from qa.errors import LibraryError as LibraryError
    from qa.errors import LockedError as LockedError
    from qa.errors import ModelError as ModelError
    from qa.errors import ModelMismatchError as ModelMismatchError
    from qa.errors import QaError as QaError
    from qa.errors import SettingsError as SettingsError
    from qa.errors import UnreadableError as UnreadableError
    from qa.errors import WorkerError as WorkerError
    from qa.library import Library as Library
    from qa.settings import Settings as Settings
    from qa.types import Answer as Answer
    from qa.types import AnswerSentence as AnswerSentence
    from qa.types import Article as Article
    from qa.types import Citation as Citation
    from qa.types import Filters as Filters
    from qa.types import Hit as Hit
    from qa.types import IngestReport as IngestReport
    from qa.types import Passage as Passage
    from qa.types import Turn as Turn

_HOMES = {
    "qa.errors": "QaError InputError UnreadableError SettingsError LibraryError LockedError "
    "ModelMismatchError ModelError WorkerError",
    "qa.types": "Answer AnswerSentence Article Citation Filters Hit IngestReport Passage Turn",
    "qa.settings": "Settings",
    "qa.library": "Library",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605
__version__ = version("cited-qa")


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
