/**
 * What a page tells of its person besides words: that they type, and how far they have read. Told no more often than
 * need be.
 */

import * as wire from "./wire.js";

const TYPING_EVERY_MS = 2_000;
const READ_EVERY_MS = 700;

export class Marks {
  #send;
  #timers;
  #now;
  #typedAt = -Infinity;
  /** @type {Set<string>} rooms whose marker is about to be told */
  #reading = new Set();

  /** @param {{send: (frame: object) => boolean, timers: {setTimeout: Function}, now: () => number}} parts */
  constructor({ send, timers, now }) {
    this.#send = send;
    this.#timers = timers;
    this.#now = now;
  }

  /** @param {import("./room.js").Room} room */
  typing(room) {
    const now = this.#now();
    if (now - this.#typedAt < TYPING_EVERY_MS) return;
    this.#typedAt = now;
    this.#send(wire.typing(room.id));
  }

  /** What was typed has been sent: the next word is news again. */
  posted() {
    this.#typedAt = -Infinity;
  }

  /** The room's marker has moved. Its place in 0.7 s is what is told. @param {import("./room.js").Room} room */
  read(room) {
    if (this.#reading.has(room.id)) return;
    this.#reading.add(room.id);
    this.#timers.setTimeout(() => {
      this.#reading.delete(room.id);
      this.#send(wire.read(room.id, room.read));
    }, READ_EVERY_MS);
  }
}
