// Citations, sources and the keyboard. One listener for everything, on the document, so that it
// does not matter how or when the elements come to be.
(() => {
  "use strict";

  let returnTo = null; // the citation that opened the sources; Escape goes back to it
  const root = document.documentElement;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const motion = () => (calm.matches ? "auto" : "smooth");

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
    const words = card.querySelector("mark") || card;
    const below = words.getBoundingClientRect().top - panel.getBoundingClientRect().top;
    card.focus({ preventScroll: true });
    panel.scrollTo({ top: panel.scrollTop + below - panel.clientHeight / 3, behavior: motion() });
  }

  function close() {
    root.classList.remove("qa-sheet");
    mark(null, "qa-active");
    mark(null, "qa-current");
    if (returnTo && returnTo.isConnected) returnTo.focus();
    returnTo = null;
  }

  document.addEventListener("click", (event) => {
    const at = event.target instanceof Element ? event.target : null;
    const cite = at && at.closest("a.qa-cite");
    const opener = at && at.closest(".qa-open");
    if (cite) {
      event.preventDefault();
      openCard(cite);
    } else if (opener) {
      const group = document.getElementById(opener.dataset.group);
      const panel = openGroup(group, opener);
      panel.scrollTo({ top: 0 });
      panel.focus({ preventScroll: true });
    } else if (at && at.closest(".qa-close")) {
      close();
    }
  });

  document.addEventListener("keydown", (event) => {
    const inPanel = document.activeElement && document.activeElement.closest(".qa-panel");
    if (event.key === "Escape" && (inPanel || root.classList.contains("qa-sheet"))) close();
  });

  // A new question puts away the sources of the one before. Its turn is kept in view when it comes
  // and when its answer does.
  let seen = "";
  new MutationObserver(() => {
    const newest = [...document.querySelectorAll(".qa-turn")].pop();
    const now = newest ? newest.id + newest.className : "";
    if (now === seen) return;
    const isNew = !newest || !seen.startsWith(newest.id + "qa-turn");
    seen = now;
    if (isNew) {
      root.classList.remove("qa-sheet");
      const panel = document.querySelector(".qa-panel");
      if (panel) panel.classList.remove("qa-chosen");
      if (panel) panel.scrollTo({ top: 0 });
    }
    if (newest) {
      const composer = document.getElementById("qa-composer");
      newest.style.scrollMarginBottom = (composer ? composer.offsetHeight : 0) + 16 + "px";
      newest.scrollIntoView({ block: "nearest", behavior: motion() });
    }
  }).observe(root, { childList: true, subtree: true, attributeFilter: ["class", "id"] });
})();
