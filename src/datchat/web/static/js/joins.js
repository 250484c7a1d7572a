/** Joins that are under way: at most one a room, tried again when they are refused for now. */

import { fullJitter } from "./backoff.js";
import { join } from "./wire.js";

export class Joins {
  #send;
  #timers;
  #onRefused;
  /** @type {Map<string, number>} room id to the id of its command */
  #underWay = new Map();
  #rooms = new Map();
  #attempts = new Map();
  #waiting = new Set();
  #lastId = 0;

  /**
   * @param {{send: (frame: object) => boolean, timers: {setTimeout: Function, clearTimeout: Function},
   *   onRefused: (room: import("./room.js").Room, frame: object) => void}} parts
   */
  constructor({ send, timers, onRefused }) {
    this.#send = send;
    this.#timers = timers;
    this.#onRefused = onRefused;
  }

  /** Join a room from its cursor. @param {import("./room.js").Room} room */
  join(room) {
    const id = (this.#lastId += 1);
    this.#underWay.set(room.id, id);
    this.#rooms.set(id, room);
    this.#send(join(room.id, room.cursor, id));
  }

  /** @param {import("./room.js").Room} room */
  underWay(room) {
    return this.#underWay.has(room.id);
  }

  /** @param {import("./room.js").Room} room */
  joined(room) {
    this.#rooms.delete(this.#underWay.get(room.id));
    this.#underWay.delete(room.id);
    this.#attempts.delete(room.id);
  }

  /** A `refused` push. */
  refused(frame) {
    const room = this.#rooms.get(frame.id);
    if (room === undefined) return;
    this.#rooms.delete(frame.id);
    this.#underWay.delete(room.id);
    if (!frame.retry) {
      this.#onRefused(room, frame);
      return;
    }
    const attempt = this.#attempts.get(room.id) ?? 0;
    this.#attempts.set(room.id, attempt + 1);
    const timer = this.#timers.setTimeout(
      () => {
        this.#waiting.delete(timer);
        this.join(room);
      },
      frame.retry_after_ms ?? fullJitter(attempt),
    );
    this.#waiting.add(timer);
  }

  /** The connection is gone, and with it every join. */
  halt() {
    for (const timer of this.#waiting) this.#timers.clearTimeout(timer);
    this.#waiting.clear();
    this.#underWay.clear();
    this.#rooms.clear();
    this.#attempts.clear();
  }
}
