/** Pointer, keys and focus in the log: one message at a time is active, and only its buttons are reached with Tab. */

/** @typedef {import("./message.js").MessageView} MessageView */

const STEPS = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };

export class Hands {
  #tell;
  /** @type {MessageView | null} */
  #active = null;

  /**
   * @param {HTMLElement} log
   * @param {{views: () => MessageView[], onAct: (button: HTMLElement, view: MessageView) => void,
   *   onQuote: (offset: number) => void,
   *   onLeave: () => void, onActive: () => void}} tell
   */
  constructor(log, tell) {
    this.#tell = tell;
    log.addEventListener("click", (event) => this.#clicked(event));
    log.addEventListener("keydown", (event) => this.#key(event));
    log.addEventListener("focusin", (event) => this.#activate(this.#viewOf(event.target)));
  }

  clear() {
    this.#active = null;
  }

  /** A message is gone. @param {MessageView} view */
  forget(view) {
    if (view === this.#active) this.#active = null;
  }

  #clicked(event) {
    const view = this.#viewOf(event.target);
    if (view === undefined) return;
    this.#activate(view);
    const quote = event.target.closest(".quote");
    if (quote) this.#tell.onQuote(Number(quote.dataset.offset));
    const button = event.target.closest("[data-act]");
    if (button) this.#tell.onAct(button, view);
  }

  #key(event) {
    if (event.key === "Escape") this.#tell.onLeave();
    const step = STEPS[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const views = this.#tell.views();
    if (views.length === 0) return;
    const here = views.indexOf(this.#viewOf(event.target));
    const next = here === -1 ? views.length - 1 : Math.min(Math.max(here + step, 0), views.length - 1);
    event.preventDefault();
    views[next].element.focus({ preventScroll: true });
    views[next].element.scrollIntoView({ block: "nearest" });
  }

  #activate(view) {
    if (view === undefined || view === this.#active) return;
    this.#active?.activate(false);
    this.#active = view;
    view.activate(true);
    this.#tell.onActive();
  }

  #viewOf(target) {
    const element = target.closest(".msg");
    return element ? this.#tell.views().find((view) => view.element === element) : undefined;
  }
}
