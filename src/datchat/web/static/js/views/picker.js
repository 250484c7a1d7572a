/** The emoji picker: a grid to walk with the arrow keys, and a field for any other. */

import { EMOJI, firstOf } from "../emoji.js";
import { byId, make } from "./dom.js";

const COLUMNS = 8;
const GAP_PX = 8;

export class PickerView {
  #box = byId("picker");
  #grid = byId("picker-grid");
  #text = byId("picker-text");
  #onPick = null;
  #opener = null;

  constructor() {
    for (const [emoji, name] of EMOJI) {
      const button = make("button", { text: emoji });
      button.type = "button";
      button.title = name;
      button.setAttribute("aria-label", name);
      button.tabIndex = -1;
      this.#grid.append(button);
    }
    this.#grid.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.#pick(button.textContent);
    });
    this.#grid.addEventListener("keydown", (event) => this.#move(event));
    byId("picker-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const emoji = firstOf(this.#text.value);
      if (emoji !== null) this.#pick(emoji);
    });
    this.#box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
    this.#box.addEventListener("focusout", (event) => {
      if (event.relatedTarget !== null && !this.#box.contains(event.relatedTarget)) this.close(false);
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.#box.hidden && !this.#box.contains(event.target) && !this.#opener?.contains(event.target))
        this.close(false);
    });
  }

  /** @param {HTMLElement} opener @param {(emoji: string) => void} onPick */
  open(opener, onPick) {
    if (!this.#box.hidden && this.#opener === opener) {
      this.close();
      return;
    }
    this.#opener = opener;
    this.#onPick = onPick;
    this.#text.value = "";
    this.#box.hidden = false;
    this.#place(opener.getBoundingClientRect());
    this.#focus(0);
  }

  /** @param {boolean} [giveBack] whether the focus goes back to where it was */
  close(giveBack = true) {
    if (this.#box.hidden) return;
    this.#box.hidden = true;
    if (giveBack) this.#opener?.focus();
  }

  #pick(emoji) {
    const act = this.#onPick;
    this.close();
    act(emoji);
  }

  #place(beside) {
    const { offsetWidth: width, offsetHeight: height } = this.#box;
    const left = Math.min(Math.max(GAP_PX, beside.right - width), innerWidth - width - GAP_PX);
    const above = beside.top - height - GAP_PX;
    const top = above >= GAP_PX ? above : Math.min(beside.bottom + GAP_PX, innerHeight - height - GAP_PX);
    this.#box.style.left = `${Math.max(left, GAP_PX)}px`;
    this.#box.style.top = `${Math.max(top, GAP_PX)}px`;
  }

  #move(event) {
    const buttons = [...this.#grid.children];
    const here = buttons.indexOf(document.activeElement);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[event.key];
    if (step === undefined || here === -1) return;
    event.preventDefault();
    const next = here + step;
    if (next >= 0 && next < buttons.length) this.#focus(next);
  }

  #focus(index) {
    const buttons = [...this.#grid.children];
    for (const button of buttons) button.tabIndex = -1;
    buttons[index].tabIndex = 0;
    buttons[index].focus();
  }
}
