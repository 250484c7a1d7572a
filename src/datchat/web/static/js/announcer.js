/**
 * Tells a screen reader of new messages, and of nothing else.
 *
 * The list itself is a `log` with `aria-live="off"`. Left to the role's own liveness, readers would also read out the
 * history that a room opens with, pages that are put on top, one's own words, and every message twice that is drawn as
 * pending first; and switching the attribute while content changes is heeded by some readers only. So the log gives the
 * structure to walk through, and this region, polite and visually hidden, gets one line for each message that is news.
 */

/** More than so many at once are told as a number. */
const ONE_BY_ONE = 3;
/** Lines that stay: a reader may still be at them. */
const KEPT = 10;

export class Announcer {
  #region;

  /** @param {HTMLElement} region */
  constructor(region) {
    this.#region = region;
  }

  /** @param {{author: {name: string}, text: string}[]} messages of others, oldest first */
  tell(messages) {
    if (messages.length > ONE_BY_ONE) this.#say(`${messages.length} new messages`);
    else for (const message of messages) this.#say(`${message.author.name}: ${message.text}`);
  }

  #say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    this.#region.append(line);
    while (this.#region.children.length > KEPT) this.#region.firstElementChild.remove();
  }
}
