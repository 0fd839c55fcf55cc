/* Tabs: one stop of the Tab key, arrows between them. */

import { byId, el } from "../../../../layers/tryon/tryon/web/elements.mjs";

/* A list of tabs, each a name and a text, and the panel of the chosen one; `choose` is told another one's name. */
export function tabs(id, label, names, chosen, choose, content) {
  const go = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = names.findIndex(([name]) => name === chosen);
    const [next] = names[(at + by + names.length) % names.length];
    choose(next);
    byId(`${id}-${next}`)?.focus();
  };
  const buttons = names.map(([name, text]) =>
    el("button", {
      role: "tab",
      id: `${id}-${name}`,
      "aria-selected": String(name === chosen),
      "aria-controls": `${id}-panel`,
      tabindex: name === chosen ? 0 : -1,
      text,
      click: () => choose(name),
      keydown: go,
    }),
  );
  return [
    el("div", { class: "tabs", role: "tablist", "aria-label": label }, ...buttons),
    el("div", { class: "panel", role: "tabpanel", id: `${id}-panel`, "aria-labelledby": `${id}-${chosen}` }, content),
  ];
}
