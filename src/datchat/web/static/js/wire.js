/**
 * The protocol's words as the page uses them: close codes, cursors, frames out. Pure.
 *
 * The table of close codes is that of the server, held equal by a test.
 */

export const SUBPROTOCOL = "datchat.1";

/** Why a socket closes. 4000 to 4499: reconnect; 4500 to 4999: don't. */
export const CLOSE_CODES = Object.freeze({
  PROTOCOL: 1002,
  TOO_BIG: 1009,
  INTERNAL: 1011,
  DRAINING: 4000,
  SLOW: 4001,
  SILENT: 4002,
  SESSION_ENDED: 4500,
  VERSION: 4501,
  BAD_COMMANDS: 4502,
  REPLACED: 4503,
});

/**
 * Whether a client may come back with the same session.
 * @param {number} code
 */
export function mayReconnect(code) {
  return code < 4500 || code > 4999;
}

/**
 * The offset of a cursor, `offset:chain`.
 * @param {string} cursor
 * @returns {number}
 * @throws {RangeError} It is no cursor.
 */
export function offsetOf(cursor) {
  const match = /^(0|[1-9][0-9]{0,15}):[0-9a-f]{16}$/.exec(cursor);
  if (!match) throw new RangeError(`not a cursor: ${cursor}`);
  return Number(match[1]);
}

/**
 * The cursor that an entry stands at.
 * @param {{offset: number, chain: string}} entry
 */
export function cursorOf(entry) {
  return `${entry.offset}:${entry.chain}`;
}

/** @param {string} room @param {string} cursor @param {number} id */
export function join(room, cursor, id) {
  return { type: "join", id, room, cursor };
}

/** @param {string} room */
export function typing(room) {
  return { type: "typing", room };
}

/** @param {string} room @param {number} offset */
export function read(room, offset) {
  return { type: "read", room, offset };
}

export function ping() {
  return { type: "ping" };
}

/**
 * The command that sends a draft. `ageMs` is left out the first time.
 * @param {import("./outbox.js").Draft} draft
 * @param {number | null} ageMs
 * @param {number} id
 */
export function posting(draft, ageMs, id) {
  const frame = { type: draft.type, id, room: draft.room, nonce: draft.nonce };
  for (const field of ["text", "reply_to", "target", "emoji", "on"]) {
    if (draft[field] !== undefined && draft[field] !== null) frame[field] = draft[field];
  }
  if (ageMs !== null) frame.age_ms = ageMs;
  return frame;
}

/**
 * A nonce: 128 random bits. `crypto.randomUUID` is missing where the page came by plain http from another host.
 * @returns {string}
 */
export function newNonce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Characters as the server counts them: code points, not UTF-16 units.
 * @param {string} text
 */
export function lengthOf(text) {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}
