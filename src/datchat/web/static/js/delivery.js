/**
 * Sends what is in the outbox: in each room one after the other, oldest first, until it is stored or refused for good.
 *
 * One at a time, because a draft that is refused for now must not be overtaken by the next. After a reconnect a room's
 * drafts wait until it is joined again, so that what was stored unnoticed is known first.
 */

import { fullJitter } from "./backoff.js";
import { posting } from "./wire.js";

const TOO_OLD = "It was written too long ago to be sent again by itself.";

export class Delivery {
  #outbox;
  #send;
  #timers;
  #random;
  #ready = new Set();
  /** @type {Map<string, {nonce: string, id: string}>} by room */
  #inFlight = new Map();
  #waiting = new Map();
  #attempts = new Map();
  #lastId = 0;

  /**
   * @param {{outbox: import("./outbox.js").Outbox, send: (frame: object) => boolean, timers: {setTimeout: Function,
   *   clearTimeout: Function}, random?: () => number}} parts
   */
  constructor({ outbox, send, timers, random = Math.random }) {
    this.#outbox = outbox;
    this.#send = send;
    this.#timers = timers;
    this.#random = random;
  }

  /** A room is joined: its drafts may go. @param {string} room */
  begin(room) {
    this.#ready.add(room);
    this.pump(room);
  }

  /** The connection is gone: nothing that was sent will be answered. */
  halt() {
    this.#ready.clear();
    this.#inFlight.clear();
    for (const timer of this.#waiting.values()) this.#timers.clearTimeout(timer);
    this.#waiting.clear();
    this.#attempts.clear();
  }

  /** Send a room's next draft, if it is its turn. @param {string} room */
  pump(room) {
    if (!this.#ready.has(room) || this.#inFlight.has(room) || this.#waiting.has(room)) return;
    const draft = this.#outbox.list().find((each) => each.room === room && each.state === "waiting");
    if (draft === undefined) return;
    if (this.#outbox.stale(draft)) {
      this.#outbox.fail(draft.nonce, TOO_OLD);
      this.pump(room);
      return;
    }
    const id = `p${(this.#lastId += 1)}`;
    const ageMs = this.#outbox.stamp(draft);
    this.#inFlight.set(room, { nonce: draft.nonce, id });
    if (!this.#send(posting(draft, ageMs, id))) this.#inFlight.delete(room);
  }

  /** A `stored` push. */
  stored(frame) {
    this.#outbox.settle(frame.nonce, frame);
    if (this.#inFlight.get(frame.room)?.nonce !== frame.nonce) return;
    this.#inFlight.delete(frame.room);
    this.#attempts.delete(frame.room);
    this.pump(frame.room);
  }

  /**
   * A `refused` push.
   * @returns {boolean} whether it was about a draft of ours
   */
  refused(frame) {
    const found = [...this.#inFlight].find(([, { id }]) => id === frame.id);
    if (found === undefined) return false;
    const [room, { nonce }] = found;
    this.#inFlight.delete(room);
    if (frame.retry) {
      const attempt = this.#attempts.get(room) ?? 0;
      this.#attempts.set(room, attempt + 1);
      const waitMs = frame.retry_after_ms ?? fullJitter(attempt, { capMs: 10_000, random: this.#random });
      this.#waiting.set(
        room,
        this.#timers.setTimeout(() => this.#again(room), waitMs),
      );
    } else {
      this.#outbox.fail(nonce, sentence(frame.message));
      this.pump(room);
    }
    return true;
  }

  #again(room) {
    this.#waiting.delete(room);
    this.pump(room);
  }
}

function sentence(message) {
  return message
    ? `${message[0].toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}`
    : "It was refused.";
}
