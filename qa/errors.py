"""The errors of the project, one tree; a message says what happened, why, and what to do next.

::

    QaError
    ├── InputError          the user can mend it: a path, a question, an option        exit 2
    │   └── UnreadableError one source cannot be read; the others go on
    ├── SettingsError       an unknown or invalid setting                              exit 2
    ├── LibraryError        the library on disk is missing, damaged or another model's exit 2
    │   ├── LockedError     another writer has it                                      exit 3
    │   └── ModelMismatchError  it was made by another embedding model
    ├── ModelError          a model cannot be loaded or does not answer                exit 2
    └── WorkerError         processes or a cluster that help with adding are lost      exit 2
"""

from __future__ import annotations


class QaError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 2


class InputError(QaError):
    """Something the user gave cannot be used."""


class UnreadableError(InputError):
    """One source cannot be read as an article; reported, and the others go on."""


class SettingsError(QaError):
    """A setting is unknown or has a value that cannot be used."""


class LibraryError(QaError):
    """The library on disk cannot be used as it is."""


class LockedError(LibraryError):
    """Another process is writing to the library."""

    exit_code = 3


class ModelMismatchError(LibraryError):
    """The library was embedded with another model than the configured one."""


class ModelError(QaError):
    """A model is missing, damaged or does not answer."""


class WorkerError(QaError):
    """The processes or the cluster that help with adding cannot be reached, or were lost."""
