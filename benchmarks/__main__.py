"""``python -m benchmarks [startup scale adding answering tried guard …] --data ../shared/data``

Prints the tables and, where ``--out`` names the document, writes them there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    adding,
    answering,
    figures,
    guard,
    places,
    postgres,
    scale,
    startup,
    tried,
    workers,
)
from benchmarks.figures import Row


def main() -> None:
    """Runs what was named, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "which",
        nargs="*",
        help="startup, scale, adding, answering, tried, postgres, workers, ray; or guard",
    )
    parser.add_argument("--data", type=Path, help="folder with tsqa-wiki/articles.jsonl")
    parser.add_argument("--articles", type=int, default=150, help="how many of them are added")
    parser.add_argument("--words", action="store_true", help="for ray: without the model")
    parser.add_argument("--sizes", type=int, nargs="+", default=scale.SIZES)
    parser.add_argument("--passages", type=int, default=20_000, help="for throughput and ray")
    parser.add_argument("--peers", type=Path, help="a Python that has llama-index and txtai")
    parser.add_argument("--out", type=Path, help="the document to write the tables to")
    options = parser.parse_args()
    parts: dict[str, Callable[[], list[Row]]] = {
        "startup": startup.rows,
        "scale": lambda: scale.rows(tuple(options.sizes)),
        "tried": tried.rows,
        "workers": workers.rows,
        "ray": lambda: workers.ray_rows(options.passages, fake=options.words),
    }
    if options.data:
        articles = options.data / "tsqa-wiki" / "articles.jsonl"
        parts["adding"] = lambda: adding.rows(articles, options.articles, options.peers)
        parts["answering"] = lambda: answering.rows(options.data)
        parts["agreement"] = lambda: places.agreement(options.data)
    if "QA_DATABASE_URL" in os.environ:
        parts["throughput"] = lambda: places.throughput(options.passages)
        parts["postgres"] = lambda: postgres.rows(os.environ["QA_DATABASE_URL"])
    if options.which == ["guard"]:
        sys.exit(guard.main())
    print(figures.machine())
    for name in options.which or parts:
        if name not in parts:
            parser.error(
                f"{name} is none of {', '.join(parts)}; some need --data or QA_DATABASE_URL"
            )
        table = figures.table(parts[name]())
        print(f"\n## {name}\n\n{table}", flush=True)
        if options.out:
            figures.write(options.out, {"machine": figures.machine(), name: table})


if __name__ == "__main__":
    main()
