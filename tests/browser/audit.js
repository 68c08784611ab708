// What the page holds: whatever is not ours is a line of the result. Run with one argument, the
// things that may be there: {tags, attributes, more, roots, areas}.
(may) => {
  const found = [];
  const say = (...words) => found.push(words.join(" ").slice(0, 300));
  const named = (at) => `<${at.localName} id="${at.id}" class="${at.getAttribute("class")}">`;
  const own = (address) => new URL(address, location.href).origin === location.origin;

  for (const id of may.areas) {
    const area = document.getElementById(id);
    if (!area) { say("no area", id); continue; }
    const holders = area.querySelectorAll(":scope .html-container > div");
    if (holders.length !== 1) { say(id, "has", holders.length, "holders"); continue; }
    const [holder] = holders;
    for (const at of area.querySelectorAll("*")) {
      if (!holder.contains(at) && at.localName !== "div") say("beside the holder", named(at));
    }
    if (holder.childElementCount > 1) say(id, "has", holder.childElementCount, "roots");
    for (const root of holder.children) {
      if (!may.roots.some((name) => root.classList.contains(name))) say("root", named(root));
    }
    if ([...holder.childNodes].some((at) => at.nodeType === 3 && at.data.trim())) say(id, "has text");
    for (const at of holder.querySelectorAll("*")) {
      if (!may.tags.includes(at.localName)) say("element", named(at));
      for (const { name, value } of at.attributes) {
        // The one style is chat.js's own, so that a new answer does not hide behind the box.
        const scrolls = at.matches("article.qa-turn") && /^scroll-margin-bottom: \d+px;$/.test(value);
        if (name === "style" && scrolls) continue;
        const more = may.more[at.localName] || [];
        if (!may.attributes.includes(name) && !more.includes(name)) say("attribute", name, named(at));
      }
      const names = (at.getAttribute("class") || "").split(/\s+/).filter(Boolean);
      if (names.some((name) => !name.startsWith("qa-"))) say("class", named(at));
      if (at.id && !at.id.startsWith("qa-")) say("id", named(at));
    }
  }

  const ids = [...document.querySelectorAll("[id]")].map((at) => at.id);
  for (const id of new Set(ids.filter((id, n) => ids.indexOf(id) !== n))) {
    // Gradio repeats ids of its drawings; ours stand once, and nothing is named twice by others.
    if (id.startsWith("qa-")) say("twice", id);
  }
  const foreign = "form, iframe, frame, object, embed, dialog, marquee, video, audio, portal";
  for (const at of document.querySelectorAll(foreign)) say("in the page", named(at));
  for (const at of document.querySelectorAll("meta[http-equiv]")) {
    if (/refresh|security/i.test(at.httpEquiv)) say("meta", at.httpEquiv, at.content);
  }
  for (const at of document.querySelectorAll("[src], [srcset], [poster], [background], [ping]")) {
    const address = at.getAttribute("src") || "";
    if (!at.hasAttribute("src") || !(own(address) || address.startsWith("data:image"))) {
      say("loads", named(at), address);
    }
  }
  for (const at of document.querySelectorAll("link, base, image, use")) {
    const address = at.getAttribute("href") || "";
    if (!own(address)) say("refers", named(at), address);
  }
  if (document.querySelectorAll("base").length > 1) say("a second base");
  for (const at of document.querySelectorAll("*")) {
    for (const { name } of at.attributes) if (/^on/i.test(name)) say("handler", name, named(at));
  }

  const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  if (!middle || !middle.closest("gradio-app, .gradio-container")) say("the middle is not ours");
  const box = document.querySelector("#qa-question textarea");
  if (box && box.checkVisibility() && document.querySelector(".qa-reading") === null) {
    const { left, top, width, height } = box.getBoundingClientRect();
    const seen = document.elementFromPoint(left + width / 2, top + height / 2);
    // Above the box there may be the words that a citation shows while it is pointed at.
    if (!seen || !seen.closest("#qa-composer, .qa-cite:hover + .qa-tip")) say("the question box is covered by", seen && named(seen));
  }
  if (window.__hit !== undefined) say("a script ran:", window.__hit);
  if ({}.__hit !== undefined) say("a prototype was changed");
  for (const blocked of window.__blocked || []) say("the policy stopped", blocked);
  return found;
}
