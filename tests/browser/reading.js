// Opens the sources of every turn by its first citation and reads what then stands there.
async () => {
  const text = (at) => (at ? at.textContent : null);
  const seen = (at) => at.checkVisibility() && at.getBoundingClientRect().height > 0;
  // In a line of isolated pieces each begins where the one before it ends, or below it.
  const inOrder = (line, which = "*") => {
    if (!line) return true;
    const pieces = [...line.children].filter((at) => at.matches(which) && at.getClientRects().length);
    const right = getComputedStyle(line).direction === "rtl";
    return pieces.every((at, n) => {
      if (n === 0) return true;
      const before = [...pieces[n - 1].getClientRects()].pop();
      const [after] = at.getClientRects();
      if (after.top >= before.bottom - 4) return true;
      return right ? after.right <= before.left + 1 : after.left >= before.right - 1;
    });
  };
  const turns = [];
  for (const turn of document.querySelectorAll(".qa-turn")) {
    const cites = [...turn.querySelectorAll("a.qa-cite")];
    if (cites.length) cites[0].click();
    else turn.querySelector("[data-group]")?.click();
    const cards = [];
    for (const card of document.querySelectorAll(`#qa-sources-${turn.dataset.turn} .qa-card`)) {
      const [about] = card.querySelectorAll(".qa-about");
      const links = [...card.querySelectorAll("a")];
      cards.push({
        seen: seen(card),
        title: text(card.querySelector("h3 bdi")),
        about: [...about.querySelectorAll("bdi")].map(text),
        mark: text(card.querySelector("mark")),
        passage: text(card.querySelector("blockquote")),
        links: links.map((at) => at.getAttribute("href")),
        origins: links.map((at) => new URL(at.href).origin),
        acts: [...card.querySelectorAll("[data-act]")].map((at) => ({ ...at.dataset })),
        ordered: inOrder(about) && inOrder(card.querySelector("h3")),
      });
    }
    turns.push({
      question: text(turn.querySelector("h2")),
      understood: text(turn.querySelector(".qa-understood bdi")),
      sentences: [...turn.querySelectorAll(".qa-sentence")].map(text),
      tips: [...turn.querySelectorAll(".qa-tip")].map(text),
      cites: cites.map((at) => at.getAttribute("href")),
      links: turn.querySelectorAll("a:not(.qa-cite)").length,
      copied: turn.querySelector("[data-copy]")?.dataset.copy ?? null,
      acts: [...turn.querySelectorAll("[data-act]")].map((at) => ({ ...at.dataset })),
      ordered: inOrder(turn.querySelector(".qa-answer"), "bdi, a"),
      cards,
    });
  }
  return turns;
}
