/** How the line to a node is, since when, and what was made up for after it had been lost. */

export class Line {
  /**
   * `back` is there after a line that had been lost: what has been caught up and sent since.
   * @type {{state: "connecting" | "open" | "offline" | "ended", node: object | null, since: number,
   *   back: {node: object, caughtUp: number, sent: number} | null}}
   */
  connection;
  /** @type {{state: "ok" | "failing_over" | "degraded"}} */
  health;
  #socket;
  #api;
  #now;
  #tell;

  /**
   * @param {{socket: EventTarget, api: import("./api.js").Api, now: () => number, health: object,
   *   onOpen: (lost: boolean) => void, onDown: () => void, onChange: () => void,
   *   onEnd: (detail: object) => void}} parts
   */
  constructor({ socket, api, now, health, ...tell }) {
    this.#socket = socket;
    this.#api = api;
    this.#now = now;
    this.#tell = tell;
    this.health = health;
    this.connection = { state: "connecting", node: null, since: now(), back: null };
  }

  start() {
    this.#socket.addEventListener("open", (event) => this.#opened(event.detail));
    this.#socket.addEventListener("down", (event) => this.#down(event.detail));
    this.#socket.addEventListener("ended", (event) => this.#ended(event.detail));
    this.#socket.start();
  }

  /** A `store` push. */
  note(health) {
    this.health = health;
    this.#tell.onChange();
  }

  /** Somebody else's message was caught up. */
  caughtUp() {
    this.#count({ caughtUp: 1 });
  }

  /** A draft was stored. Those that were written after the line was back are no news. */
  sent(draft) {
    if (draft.at < this.connection.since) this.#count({ sent: 1 });
  }

  // Internal

  #opened(hello) {
    const lost = this.connection.state === "offline";
    const back = lost ? { node: hello.node, caughtUp: 0, sent: 0 } : null;
    this.health = hello.store;
    this.#change({ state: "open", node: hello.node, since: this.#now(), back });
    this.#tell.onOpen(lost);
  }

  #down({ wasOpen }) {
    this.#tell.onDown();
    if (this.connection.state !== "offline") this.#change({ state: "offline", since: this.#now(), back: null });
    // A page sees no status of a refused handshake: ask whether the session still lives.
    if (!wasOpen) this.#api.me().catch((error) => error.status === 401 && this.#ended({ code: 4500, reason: "" }));
  }

  #ended(detail) {
    if (this.connection.state === "ended") return;
    this.#socket.stop();
    this.#tell.onDown();
    this.#change({ state: "ended", since: this.#now(), back: null });
    this.#tell.onEnd(detail);
  }

  #count({ caughtUp = 0, sent = 0 }) {
    const { back } = this.connection;
    if (back === null) return;
    this.#change({ back: { ...back, caughtUp: back.caughtUp + caughtUp, sent: back.sent + sent } });
  }

  #change(change) {
    this.connection = { ...this.connection, ...change };
    this.#tell.onChange();
  }
}
