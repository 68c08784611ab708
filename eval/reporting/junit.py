"""JUnit XML: every question a test case, for machines that show tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from eval.reporting.verdicts import BAD, VERDICTS, verdicts
from eval.types import Case, Record

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: Record, cases: Sequence[Case]) -> str:
    """A suite; a wrong case is a failure, one that raised an error is an error."""
    found = [(case, [v for v in verdicts(case) if v in BAD]) for case in cases]
    suite = ElementTree.Element(
        "testsuite",
        name=_clean(str(run.get("name") or "evaluation")),
        tests=str(len(found)),
        errors=str(sum(case.error is not None for case in cases)),
        failures=str(sum(bool(bad) and case.error is None for case, bad in found)),
        time=f"{sum(_seconds(case) for case in cases):.3f}",
    )
    for case, bad in found:
        suite.append(_test_case(case, bad))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _test_case(case: Case, bad: Sequence[str]) -> ElementTree.Element:
    element = ElementTree.Element(
        "testcase",
        classname=_clean(case.question.type or "untyped"),
        name=_clean(f"{case.id}: {case.question.text}"),
        time=f"{_seconds(case):.3f}",
    )
    for verdict in bad:
        kind = "error" if case.error is not None else "failure"
        message = case.error or f"{verdict}: {VERDICTS[verdict]}"
        detail = ElementTree.SubElement(element, kind, message=_clean(message))
        gold = " | ".join(case.question.answers) or "none"
        detail.text = _clean(f"gold: {gold}\nanswer: {case.text or 'refused'}")
    return element


def _seconds(case: Case) -> float:
    return case.timings_ms.get("total", case.timings_ms.get("search", 0.0)) / 1000


def _clean(text: str) -> str:
    """Without characters that XML forbids."""
    return _FORBIDDEN.sub("\ufffd", text)
