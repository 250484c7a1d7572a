/** Messages over HTTP: the newest of a room, the page before those that are loaded, one that is quoted. */

const PAGE = 50;

/** @typedef {import("./room.js").Room} Room */

export class Pages {
  #api;
  #complain;
  /** @type {Map<Room, {generation: number, loaded: Promise<void>}>} newest messages that are on their way */
  #underWay = new Map();
  /** @type {Map<string, Promise<import("./timeline.js").Message | null>>} quoted messages by room and offset */
  #quoted = new Map();

  /**
   * @param {import("./api.js").Api} api
   * @param {(text: string) => void} complain gets a sentence when a page can't be had
   */
  constructor(api, complain) {
    this.#api = api;
    this.#complain = complain;
  }

  /** Whether a room's newest messages are on their way. @param {Room} room */
  underWay(room) {
    return this.#underWay.get(room)?.generation === room.generation;
  }

  /**
   * Load a room's newest messages.
   * @param {Room} room
   * @returns {Promise<void>} Asking again while they are on their way is the same promise.
   */
  newest(room) {
    if (!this.underWay(room)) {
      const load = { generation: room.generation, loaded: null };
      load.loaded = this.#load(room).finally(() => {
        if (this.#underWay.get(room) === load) this.#underWay.delete(room);
      });
      this.#underWay.set(room, load);
    }
    return this.#underWay.get(room).loaded;
  }

  /**
   * Put the page before a room's oldest message on top.
   * @param {Room} room @param {number} [limit]
   * @returns {Promise<import("./timeline.js").Message[]>} what it brought
   */
  async older(room, limit = PAGE) {
    if (!room.viewed || !room.more) return [];
    const turn = room.expect();
    try {
      return room.prepend(await this.#api.messages(room.id, { before: room.oldest, limit }), turn);
    } catch (error) {
      room.cancel();
      this.#complain(`Older messages could not be loaded. ${error.message}`);
      return [];
    }
  }

  /**
   * One message, from what is loaded or else from the server, which is asked once.
   * @param {Room} room @param {number} offset
   * @returns {Promise<import("./timeline.js").Message | null>} null: it can't be had now
   */
  async one(room, offset) {
    const loaded = room.messages.get(offset);
    if (loaded !== undefined) return loaded;
    const key = `${room.id}/${offset}`;
    if (!this.#quoted.has(key)) this.#quoted.set(key, this.#ask(room.id, offset, key));
    return this.#quoted.get(key);
  }

  async #load(room) {
    const turn = room.expect();
    try {
      room.load(await this.#api.messages(room.id, { limit: PAGE }), turn);
    } catch (error) {
      room.cancel();
      this.#complain(`${room.title} could not be loaded. ${error.message}`);
    }
  }

  async #ask(room, offset, key) {
    try {
      const { messages } = await this.#api.messages(room, { before: offset + 1, limit: 1 });
      return messages.find((message) => message.offset === offset) ?? null;
    } catch {
      this.#quoted.delete(key);
      return null;
    }
  }
}
