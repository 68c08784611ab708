// Citations, sources, articles and the keyboard. One listener for everything, on the document, so
// that it does not matter how or when the elements come to be.
(() => {
  "use strict";

  let returnTo = null; // what opened the sources or an article; Escape goes back to it
  const root = document.documentElement;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const motion = () => (calm.matches ? "auto" : "smooth");
  const find = (selector) => document.querySelector(selector);

  function mark(element, name) {
    document.querySelectorAll("." + name).forEach((each) => each.classList.remove(name));
    if (element) element.classList.add(name);
  }

  // Shows one turn's sources; returns the element that scrolls.
  function openGroup(group, from) {
    const panel = group.closest(".qa-panel");
    panel.classList.toggle("qa-chosen", group !== panel.lastElementChild);
    mark(group, "qa-shown");
    root.classList.add("qa-sheet");
    returnTo = from;
    return panel;
  }

  function openCard(cite) {
    const card = document.getElementById(cite.getAttribute("href").slice(1));
    if (!card) return;
    const panel = openGroup(card.closest(".qa-group"), cite);
    mark(card, "qa-active");
    mark(cite, "qa-current");
    root.classList.add("qa-no-tips"); // the words stand in the card now
    const words = card.querySelector("mark") || card;
    const below = words.getBoundingClientRect().top - panel.getBoundingClientRect().top;
    card.focus({ preventScroll: true });
    panel.scrollTo({ top: panel.scrollTop + below - panel.clientHeight / 3, behavior: motion() });
  }

  function goBack() {
    if (returnTo && returnTo.isConnected) returnTo.focus();
    returnTo = null;
    root.classList.add("qa-no-tips"); // its words have just been read
  }

  function closeSources() {
    root.classList.remove("qa-sheet");
    mark(null, "qa-active");
    mark(null, "qa-current");
    goBack();
  }

  function closeReader() {
    root.classList.remove("qa-reading");
    const from = readFrom;
    readFrom = null;
    if (from && from.isConnected) from.focus();
  }

  // The article that was asked for has come: its words are in view and have the focus.
  let read = "";
  let readFrom = null;
  function openReader(reader) {
    root.classList.add("qa-reading");
    const words = reader.querySelector("#qa-words");
    if (words) words.scrollIntoView({ block: "center" });
    else reader.scrollTo({ top: 0 });
    (words || reader.querySelector("h2")).focus({ preventScroll: true });
  }

  async function copy(button, text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure context there is no clipboard to write to: the old way, then.
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    const label = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = label), 2000);
  }

  function linkTo(reader) {
    const { article, start, end } = reader.dataset;
    const query = new URLSearchParams({ article, ...(end > 0 ? { start, end } : {}) });
    return `${location.origin}${location.pathname}?${query}`;
  }

  function view(name) {
    root.dataset.qaView = name;
    document
      .querySelectorAll(".qa-view")
      .forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.view === name)));
  }

  document.addEventListener("click", (event) => {
    const at = event.target instanceof Element ? event.target : null;
    if (!at) return;
    const cite = at.closest("a.qa-cite");
    const opener = at.closest("[data-group]");
    const copier = at.closest("[data-copy]");
    const linker = at.closest("[data-link]");
    const chosen = at.closest(".qa-view");
    if (cite) {
      event.preventDefault();
      openCard(cite);
    } else if (opener) {
      const panel = openGroup(document.getElementById(opener.dataset.group), opener);
      panel.scrollTo({ top: 0 });
      panel.focus({ preventScroll: true });
    } else if (at.closest(".qa-close")) {
      closeSources();
    } else if (at.closest(".qa-shut")) {
      closeReader();
    } else if (copier) {
      copy(copier, copier.dataset.copy);
    } else if (linker) {
      copy(linker, linkTo(linker.closest(".qa-reader")));
    } else if (chosen) {
      view(chosen.dataset.view);
    }
    const article = at.closest("[data-article]");
    if (article && article.dataset.act === "select") {
      readFrom = article;
    } else if (article && article.dataset.act === "apply") {
      closeReader();
      view("chat");
    }
  });

  const typing = (element) => element && element.closest("input, textarea, [contenteditable=true]");

  document.addEventListener("keydown", (event) => {
    const at = document.activeElement;
    if (event.key === "Escape") {
      const stop = find(".qa-stop");
      if (root.classList.contains("qa-reading")) closeReader();
      else if (root.classList.contains("qa-sheet") || (at && at.closest(".qa-panel"))) closeSources();
      else if (stop) stop.click();
      else root.classList.add("qa-no-tips");
    } else if (event.key === "/" && !typing(at) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const box = find("#qa-question textarea");
      if (!box) return;
      event.preventDefault();
      closeReader();
      view("chat");
      box.focus();
    }
  });
  // Escape puts away the words that a citation shows; they come again with the next one.
  for (const kind of ["focusin", "mouseover"]) {
    document.addEventListener(kind, (event) => {
      if (event.target instanceof Element && event.target.closest(".qa-cite"))
        root.classList.remove("qa-no-tips");
    });
  }

  // This tab goes on with its conversation after a reload; the others can be gone back to.
  function remember(conversation) {
    if (conversation === null || conversation === sessionStorage.getItem("qa-conversation")) return;
    sessionStorage.setItem("qa-conversation", conversation);
    if (!conversation) return;
    const known = JSON.parse(localStorage.getItem("qa-conversations") || "[]");
    const rest = known.filter((each) => each !== conversation);
    localStorage.setItem("qa-conversations", JSON.stringify([conversation, ...rest].slice(0, 50)));
  }

  // A new question puts away the sources of the one before. Its turn is kept in view when it comes
  // and when its answer does.
  let seen = "";
  function follow(newest) {
    const now = newest ? newest.id + newest.className : "";
    if (now === seen) return;
    const isNew = !newest || !seen.startsWith(newest.id + "qa-turn");
    seen = now;
    if (isNew) {
      root.classList.remove("qa-sheet");
      const panel = find(".qa-panel");
      if (panel) panel.classList.remove("qa-chosen");
      if (panel) panel.scrollTo({ top: 0 });
    }
    if (newest) {
      const composer = document.getElementById("qa-composer");
      newest.style.scrollMarginBottom = (composer ? composer.offsetHeight : 0) + 16 + "px";
      newest.scrollIntoView({ block: "nearest", behavior: motion() });
    }
  }

  new MutationObserver(() => {
    const language = find("[data-language]");
    if (language && root.dir !== language.dataset.direction) {
      root.lang = language.dataset.language;
      root.dir = language.dataset.direction;
    }
    const pressed = find('.qa-view[aria-pressed="true"]');
    if (pressed && pressed.dataset.view !== root.dataset.qaView) view(root.dataset.qaView);
    const kept = find("[data-conversation]");
    if (kept) remember(kept.dataset.conversation);
    const reader = find(".qa-reader");
    const opened = reader ? reader.dataset.key : "";
    if (opened !== read) {
      read = opened;
      if (reader) openReader(reader);
    }
    follow([...document.querySelectorAll(".qa-turn")].pop());
  }).observe(root, { childList: true, subtree: true, attributeFilter: ["class", "id"] });

  view("chat");
})();
