/**
 * Where a scrolled list stands: it follows its end only while it is there, and keeps its place when something changes
 * above. Scrolling is done once a frame, however many messages came in it.
 */

/** Nearer to the end than this counts as being there, in pixels. */
const NEAR_PX = 48;

export class Scroll {
  #element;
  #stuck = true;
  #planned = false;
  #last = 0;

  /** @param {HTMLElement} element @param {{onScroll: () => void}} parts */
  constructor(element, { onScroll }) {
    this.#element = element;
    element.addEventListener(
      "scroll",
      () => {
        this.#judge();
        onScroll();
      },
      { passive: true },
    );
    // The composer grows, the keyboard of a phone opens: what was at the end stays there.
    new ResizeObserver(() => this.follow()).observe(element);
  }

  get atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#element;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  /** Whether the list follows its end. */
  get stuck() {
    return this.#stuck;
  }

  /** Distance to the top and to the end, in pixels. */
  get room() {
    const { scrollHeight, scrollTop, clientHeight } = this.#element;
    return { above: scrollTop, below: scrollHeight - scrollTop - clientHeight, screen: clientHeight };
  }

  /** Something was added at the end: go along, if it was in view. */
  follow() {
    if (!this.#stuck || this.#planned) return;
    if (document.hidden) {
      this.toEnd();
      return;
    }
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      if (this.#stuck) this.toEnd();
    });
  }

  /** @param {{smooth?: boolean}} [how] */
  toEnd({ smooth = false } = {}) {
    this.#stuck = true;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#element.scrollTo({ top: this.#element.scrollHeight, behavior: smooth && !calm ? "smooth" : "instant" });
    this.#last = this.#element.scrollTop;
  }

  /** Bring an element into view, a share of the screen below the top. */
  to(target, share = 0.25) {
    const top = target.getBoundingClientRect().top - this.#element.getBoundingClientRect().top;
    this.#element.scrollTop += top - this.#element.clientHeight * share;
    this.#stuck = this.atEnd;
    this.#last = this.#element.scrollTop;
  }

  /**
   * Change something above `anchor` without moving it on the screen.
   * @param {HTMLElement | undefined} anchor @param {() => void} change
   */
  keeping(anchor, change) {
    if (anchor === undefined) {
      change();
      return;
    }
    const before = anchor.getBoundingClientRect().top;
    change();
    this.#element.scrollTop += anchor.getBoundingClientRect().top - before;
    this.#last = this.#element.scrollTop;
  }

  /**
   * Not being at the end is no reason to stay behind: more may have come since the list was scrolled there. Only who
   * scrolls up wants to.
   */
  #judge() {
    const { scrollTop } = this.#element;
    if (this.atEnd) this.#stuck = true;
    else if (scrollTop < this.#last - 1) this.#stuck = false;
    this.#last = scrollTop;
  }
}
