/** Rooms and people: columns where there is room, drawers over the messages where there isn't. */

import { byId } from "./dom.js";

const NARROW = matchMedia("(max-width: 760px)");
const NO_ROSTER = matchMedia("(max-width: 1080px)");

export class DrawersView {
  #frame = byId("frame");
  #open = null;
  #drawers = {
    side: { panel: byId("side"), button: byId("open-side"), isDrawer: NARROW },
    roster: { panel: byId("roster"), button: byId("open-roster"), isDrawer: NO_ROSTER },
  };

  constructor() {
    for (const [name, { button }] of Object.entries(this.#drawers))
      button.addEventListener("click", () => this.#toggle(name));
    byId("close-roster").addEventListener("click", () => this.#toggle("roster"));
    byId("scrim").addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#open !== null && this.close());
    for (const media of [NARROW, NO_ROSTER]) media.addEventListener("change", () => this.close(false));
  }

  /** @param {boolean} [giveBack] whether the focus goes back to the button */
  close(giveBack = true) {
    if (this.#open === null) return;
    const { button, panel } = this.#drawers[this.#open];
    this.#open = null;
    panel.classList.remove("open");
    button.setAttribute("aria-expanded", "false");
    byId("scrim").hidden = true;
    byId("main").inert = false;
    if (giveBack) button.focus();
  }

  #toggle(name) {
    const { panel, button, isDrawer } = this.#drawers[name];
    if (!isDrawer.matches) {
      const hidden = this.#frame.classList.toggle(`no-${name}`);
      button.setAttribute("aria-expanded", String(!hidden));
      return;
    }
    if (this.#open === name) {
      this.close();
      return;
    }
    this.close(false);
    this.#open = name;
    panel.classList.add("open");
    button.setAttribute("aria-expanded", "true");
    byId("scrim").hidden = false;
    byId("main").inert = true;
    panel.querySelector("a[href], button:not([hidden])")?.focus();
  }
}
