/** Which rooms there are for this person, as the server lists them and tells of changes. */

import { Room } from "./room.js";
import { offsetOf } from "./wire.js";

export class Directory {
  /** @type {Map<string, Room>} in the order of the list */
  rooms = new Map();
  #api;
  #me;
  #tell;
  /** How many lists were asked for, and which of them was the last to be taken. */
  #asked = 0;
  #taken = 0;

  /**
   * @param {{api: import("./api.js").Api, me: string, listed: object[], onCame: (room: Room) => void,
   *   onGone: (room: Room) => void, onChanged: (room: Room) => void, onListed: () => void}} parts
   *   `listed` are the rooms that the page arrived with
   */
  constructor({ api, me, listed, ...tell }) {
    this.#api = api;
    this.#me = me;
    this.#tell = tell;
    for (const fields of listed) this.rooms.set(fields.id, new Room(fields, me));
  }

  /** @param {{id: string, title: string, private: boolean}} fields @returns {Promise<Room>} */
  async create(fields) {
    const room = this.#admit(await this.#api.createRoom(fields));
    this.#tell.onListed();
    if (this.#taken < this.#asked) {
      // A list that is on its way may not know of it.
      this.#taken = this.#asked + 1;
      this.refresh();
    }
    return room;
  }

  /** @param {Room} room @param {{title?: string, archived?: boolean}} change */
  async update(room, change) {
    this.#take(room, await this.#api.updateRoom(room.id, change));
  }

  /** Read the list again: something in it has changed, or may have. */
  async refresh() {
    const turn = (this.#asked += 1);
    let listed;
    try {
      listed = await this.#api.rooms();
    } catch {
      return; // The next reconnect asks again.
    }
    if (turn < this.#taken) return; // One that was asked for later has come before.
    this.#taken = turn;
    const order = new Map();
    for (const fields of listed) {
      const room = this.rooms.get(fields.id) ?? this.#admit(fields);
      room.update(fields);
      // The list may be older than what has come meanwhile; only a room without messages has to believe it.
      if (!room.viewed && offsetOf(fields.cursor) >= room.offset) room.unread = fields.unread;
      order.set(fields.id, room);
    }
    for (const room of this.rooms.values()) if (!order.has(room.id)) this.drop(room);
    this.rooms = order;
    this.#tell.onListed();
  }

  /** A `room` push. */
  changed({ change, room: fields, user }) {
    const room = this.rooms.get(fields.id);
    if (room === undefined) this.refresh();
    else if (change === "member_removed" && user === this.#me) this.drop(room);
    else this.#take(room, { title: fields.title, private: fields.private, archived: fields.archived });
  }

  /** A room is not there for this person any more. @param {Room} room */
  drop(room) {
    if (!this.rooms.delete(room.id)) return;
    this.#tell.onListed();
    this.#tell.onGone(room);
  }

  #take(room, fields) {
    room.update(fields);
    this.#tell.onListed();
    this.#tell.onChanged(room);
  }

  #admit(fields) {
    const known = this.rooms.get(fields.id);
    if (known !== undefined) return known;
    const room = new Room(fields, this.#me);
    this.rooms.set(room.id, room);
    this.#tell.onCame(room);
    return room;
  }
}
