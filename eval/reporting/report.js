"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const list = document.getElementById("list");
  const more = document.getElementById("more");
  const kind = document.getElementById("kind");
  const words = document.getElementById("words");
  const buttons = [...document.querySelectorAll("button[data-verdict]")];
  const PAGE = 40;
  let chosen = "";
  let shown = [];

  // Text only ever enters the page as text nodes.
  const make = (tag, name, ...children) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  const marked = (text, marks) => {
    const characters = [...text]; // offsets count code points
    const kinds = new Array(characters.length).fill("");
    for (const [start, end, name] of marks.filter((mark) => mark[2] === "evidence").concat(marks.filter((mark) => mark[2] === "answer"))) {
      kinds.fill(name, Math.max(0, start), end);
    }
    const parts = [];
    for (let at = 0; at < characters.length;) {
      let end = at;
      while (end < characters.length && kinds[end] === kinds[at]) end += 1;
      const run = characters.slice(at, end).join("");
      parts.push(kinds[at] ? make("mark", kinds[at], run) : run);
      at = end;
    }
    return parts;
  };

  const chip = (text, tone) => make("span", "chip " + (tone || ""), text);

  const answerOf = (row) => {
    if (row.error) return [make("h3", "", "Error"), make("p", "bad", row.error)];
    if (!row.answer) return [];
    const { status, confidence, sentences, citations } = row.answer;
    const title = make("h3", "", "Answer (" + status + ", confidence " + Number(confidence || 0).toFixed(2) + ")");
    if (status !== "answered") return [title, make("p", "", "The articles do not say.")];
    const lines = sentences.map(([text, numbers, support]) =>
      make("p", "", text + " " + numbers.map((n) => "[" + n + "]").join(" "), support === "supported" ? null : chip(support)));
    const quotes = citations.map((c) => make("div", "quote " + (c.right ? "gold2" : ""),
      make("span", "source", "[" + c.number + "] ", make("b", "", c.title), " · " + c.article_id, chip(c.right ? "evidence" : "no evidence", c.right ? "good" : "")),
      ...marked(c.quote, c.marks)));
    return [title, ...lines, make("h3", "", "Citations"), ...quotes];
  };

  const hitOf = (hit, index) => {
    const passage = data.passages[hit.passage];
    const ranks = Object.entries(hit.ranks).map(([leg, rank]) => leg + " " + rank).join(", ");
    const facts = [passage.publisher, passage.published, passage.article_id, passage.start + " to " + passage.end, "score " + hit.score, ranks];
    const gold = [null, chip("evidence article"), chip("holds the evidence", "good")][hit.gold];
    return make("div", "passage gold" + hit.gold,
      make("span", "source", (index + 1) + ". ", make("b", "", passage.title), " · " + facts.filter(Boolean).join(" · "), gold),
      ...marked(passage.text, hit.marks));
  };

  const hitsOf = (row) => {
    if (!row.hits.length) return [];
    const first = row.hits.slice(0, 5).map(hitOf);
    const rest = row.hits.slice(5);
    const others = make("details", "", make("summary", "", rest.length + " more passages"));
    others.addEventListener("toggle", () => {
      if (others.childElementCount === 1) others.append(...rest.map((hit, n) => hitOf(hit, n + 5)));
    });
    return [make("h3", "", "Passages"), ...first, rest.length ? others : null];
  };

  const goldOf = (row) => {
    const text = row.answerable ? row.answers.join(" | ") || "not given" : "none: the articles do not say";
    const where = row.evidence_ids.length ? make("p", "source", "in " + row.evidence_ids.join(", ")) : null;
    return [make("h3", "", "Gold answer"), make("p", "", text), where];
  };

  const historyOf = (row) => [
    ...(row.history || []).flatMap(([question, answer]) => [make("p", "source", "Reader: " + question), make("p", "source", "Answer: " + answer)]),
    row.standalone ? make("p", "source", "Searched for: " + row.standalone) : null,
  ];

  const bodyOf = (row) => make("div", "",
    make("p", "source", row.id + " · " + row.type + " · " + Object.entries(row.timings).map(([stage, ms]) => stage + " " + ms + " ms").join(", ")),
    ...historyOf(row), ...goldOf(row), ...answerOf(row), ...judgeOf(row), ...hitsOf(row));

  const judgeOf = (row) => (row.judge
    ? [make("h3", "", "The judge says: " + row.judge.verdict), make("p", "", row.judge.explanation)] : []);

  const caseOf = (row) => {
    const chips = make("span", "chips", ...row.verdicts.map((v) => chip(v, v === "right" ? "good" : "bad")));
    const element = make("details", "case", make("summary", "", chips, row.question));
    element.addEventListener("toggle", () => {
      if (element.open && element.childElementCount === 1) element.append(bodyOf(row));
    });
    return element;
  };

  const fits = (row) => {
    if (chosen && !row.verdicts.includes(chosen)) return false;
    if (kind.value && row.type !== kind.value) return false;
    const wanted = words.value.trim().toLowerCase();
    if (!wanted) return true;
    const answer = row.answer ? row.answer.sentences.map((s) => s[0]).join(" ") : "";
    return [row.id, row.question, answer, ...row.answers].join(" ").toLowerCase().includes(wanted);
  };

  const page = () => {
    const from = list.childElementCount;
    list.append(...shown.slice(from, from + PAGE).map(caseOf));
    more.hidden = list.childElementCount >= shown.length;
  };

  const refresh = () => {
    shown = data.cases.filter(fits);
    document.getElementById("count").textContent = shown.length + (shown.length === 1 ? " case" : " cases");
    list.replaceChildren();
    page();
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      chosen = button.dataset.verdict;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      refresh();
    });
  }
  kind.addEventListener("change", refresh);
  words.addEventListener("input", refresh);
  more.addEventListener("click", page);
  refresh();
})();
