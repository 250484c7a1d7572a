/**
 * One WebSocket that comes back: connects, reconnects with full jitter, keeps the line alive. Knows nothing of rooms.
 *
 * Events: `open` (detail: the hello), `push` (detail: a frame), `down` (detail: {code, reason, wasOpen, retryInMs}; the
 * next try is under way), `ended` (detail: {code, reason}; there is no next try), `connecting`.
 */

import { fullJitter } from "./backoff.js";
import { CLOSE_CODES, SUBPROTOCOL, mayReconnect, ping } from "./wire.js";

/** A try that has brought no hello by then is given up. */
const CONNECT_MS = 10_000;
/** The same for the first try, doubled with each further one: what goes to a node that is just leaving is lost. */
const FIRST_CONNECT_MS = 2_500;
/** A connection that lived that long starts the waits from the shortest again. */
const STEADY_MS = 10_000;
/** How long an answer to a ping may take where there is reason for doubt. */
const PROBE_MS = 4_000;

export class Socket extends EventTarget {
  #url;
  #WebSocket;
  #timers;
  #random;
  #now;
  #ws = null;
  #opened = false;
  #openedAt = 0;
  #heardAt = 0;
  #askedAt = 0;
  #pingMs = 15_000;
  #attempt = 0;
  #retryAfterMs = null;
  #timer = null;
  #stopped = true;

  /**
   * @param {string} url
   * @param {{WebSocket?: typeof WebSocket, timers?: {setTimeout: Function, clearTimeout: Function},
   *   random?: () => number, now?: () => number}} [parts]
   *   what tests put in the place of the browser's own
   */
  constructor(url, parts = {}) {
    super();
    this.#url = url;
    this.#WebSocket = parts.WebSocket ?? globalThis.WebSocket;
    this.#timers = parts.timers ?? {
      setTimeout: (...args) => setTimeout(...args),
      clearTimeout: (id) => clearTimeout(id),
    };
    this.#random = parts.random ?? Math.random;
    this.#now = parts.now ?? (() => performance.now());
  }

  // Lifecycle

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#connect();
  }

  /** Close, and don't come back. */
  stop() {
    this.#stopped = true;
    this.#opened = false;
    this.#cancel();
    this.#abandon();
  }

  // Actions

  /** Whether hello has been said and frames go out. */
  get open() {
    return this.#opened;
  }

  /**
   * Send a command if the line is open.
   * @returns {boolean} whether it was handed to the browser; whether it arrives, only an answer tells
   */
  send(frame) {
    if (!this.#opened || this.#ws.readyState !== 1) return false;
    this.#ws.send(JSON.stringify(frame));
    return true;
  }

  /** There is reason to look now: the network is back, the page is seen again. */
  nudge() {
    if (this.#stopped) return;
    if (this.#opened) this.#probe();
    else if (this.#ws === null) {
      this.#cancel();
      this.#connect();
    }
  }

  // Internal

  #connect() {
    const ws = new this.#WebSocket(this.#url, [SUBPROTOCOL]);
    this.#ws = ws;
    this.#retryAfterMs = null;
    ws.onmessage = (event) => this.#ws === ws && this.#receive(event.data);
    ws.onclose = (event) => this.#ws === ws && this.#closed(event.code, event.reason);
    ws.onerror = () => {};
    const patienceMs = Math.min(CONNECT_MS, FIRST_CONNECT_MS * 2 ** this.#attempt);
    this.#after(patienceMs, () => this.#drop("no answer"));
    this.#tell("connecting", { attempt: this.#attempt });
  }

  #receive(data) {
    this.#heardAt = this.#now();
    const frame = JSON.parse(data);
    if (frame.type === "hello") {
      this.#opened = true;
      this.#openedAt = this.#now();
      this.#pingMs = frame.ping_s * 1000;
      this.#watch();
      this.#tell("open", frame);
    } else if (frame.type === "bye") {
      this.#retryAfterMs = frame.retry_after_ms;
    } else if (frame.type !== "pong") {
      this.#tell("push", frame);
    }
  }

  /**
   * The server's own pings are invisible to a page: after an interval of silence it asks, and without an answer for
   * another the line is dead. Counted from the question, because the timers of hidden pages come late.
   */
  #watch() {
    const now = this.#now();
    const asked = this.#askedAt > this.#heardAt;
    if (asked && now - this.#askedAt >= this.#pingMs) {
      this.#drop("silent");
      return;
    }
    if (!asked && now - this.#heardAt >= this.#pingMs) this.#ask();
    const since = Math.max(this.#askedAt, this.#heardAt);
    this.#after(Math.max(since + this.#pingMs - now, 50), () => this.#watch());
  }

  #ask() {
    this.#askedAt = this.#now();
    return this.send(ping());
  }

  #probe() {
    if (!this.#ask()) return;
    const asked = this.#askedAt;
    this.#after(PROBE_MS, () => {
      if (this.#heardAt <= asked) this.#drop("silent");
      else this.#watch();
    });
  }

  /** Give the line up without waiting for the other side's part of the closing handshake. */
  #drop(reason) {
    this.#abandon();
    this.#closed(CLOSE_CODES.SILENT, reason);
  }

  #abandon() {
    const ws = this.#ws;
    this.#ws = null;
    if (ws === null) return;
    ws.onmessage = ws.onclose = null;
    ws.close();
  }

  #closed(code, reason) {
    const wasOpen = this.#opened;
    if (wasOpen && this.#now() - this.#openedAt >= STEADY_MS) this.#attempt = 0;
    this.#opened = false;
    this.#ws = null;
    this.#cancel();
    if (this.#stopped) return;
    if (!mayReconnect(code)) {
      this.#stopped = true;
      this.#tell("ended", { code, reason });
      return;
    }
    const waitMs = this.#retryAfterMs ?? fullJitter(this.#attempt, { random: this.#random });
    this.#attempt += 1;
    this.#after(waitMs, () => this.#connect());
    this.#tell("down", { code, reason, wasOpen, retryInMs: waitMs });
  }

  #after(ms, act) {
    this.#cancel();
    this.#timer = this.#timers.setTimeout(act, ms);
  }

  #cancel() {
    if (this.#timer !== null) this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
