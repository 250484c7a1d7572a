/**
 * What stands between messages: a line for each day, and one above what is new. Messages below such a line show
 * their author.
 */

import { dayKey, dayOf } from "../clock.js";
import { make } from "./dom.js";

/** @typedef {import("./message.js").MessageView} MessageView */

export class Lines {
  #divider = null;

  /** Whether a line marks what is new. */
  get divided() {
    return this.#divider !== null;
  }

  clear() {
    this.#divider = null;
  }

  /**
   * A message follows another, or is the first: give it its line, take one that isn't right any more.
   * @param {MessageView} view @param {MessageView | undefined} before
   */
  place(view, before) {
    let line = view.element.previousElementSibling;
    if (line?.matches(".divider")) line = line.previousElementSibling;
    const has = line?.matches(".day") ?? false;
    const wants = before === undefined || dayKey(before.at) !== dayKey(view.at);
    if (has && !wants) line.remove();
    if (wants && !has) view.element.before(separator("day", dayOf(view.at, Date.now())));
    view.group(view.element.previousElementSibling?.matches(".day, .divider") ? undefined : before);
  }

  /**
   * What is new begins with a message.
   * @param {MessageView | undefined} view
   * @returns {HTMLElement | null} the line
   */
  divide(view) {
    if (view === undefined) return null;
    this.#divider = separator("divider", "New messages");
    view.element.before(this.#divider);
    view.group(undefined);
    return this.#divider;
  }

  /** Nothing is new any more. @param {MessageView[]} shown */
  undivide(shown) {
    const after = this.#divider?.nextElementSibling;
    this.#divider?.remove();
    this.#divider = null;
    const index = shown.findIndex((view) => view.element === after);
    if (index > 0) this.place(shown[index], shown[index - 1]);
  }

  /** Take a message out of the DOM with the lines that stand before it. @param {MessageView} view */
  takeOut({ element }) {
    for (
      let line = element.previousElementSibling;
      line?.matches(".day, .divider");
      line = element.previousElementSibling
    ) {
      if (line === this.#divider) this.#divider = null;
      line.remove();
    }
    element.remove();
  }
}

function separator(kind, text) {
  const line = make("div", { class: kind }, make("span", { text }));
  line.setAttribute("role", "separator");
  line.setAttribute("aria-label", text);
  return line;
}
