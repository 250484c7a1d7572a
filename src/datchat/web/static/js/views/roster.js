/** Who is here. */

import { byId, make, paintAvatar } from "./dom.js";

export class RosterView {
  #store;
  #list = byId("roster-list");
  /** @type {Map<string, HTMLElement>} */
  #items = new Map();

  /** @param {import("../store.js").Store} store */
  constructor(store) {
    this.#store = store;
    store.addEventListener("roster", (event) => event.detail.room === store.current && this.#draw());
    store.addEventListener("open", () => this.#draw());
    store.addEventListener("room", (event) => event.detail.room === store.current && this.#invite());
    this.#draw();
  }

  #draw() {
    const room = this.#store.current;
    const users = [...room.members.values()].sort((a, b) => a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1));
    for (const [id, item] of this.#items) {
      if (room.members.has(id)) continue;
      item.remove();
      this.#items.delete(id);
    }
    let before = null;
    for (const user of users) {
      const item = this.#items.get(user.id) ?? this.#add(user);
      const place = before === null ? this.#list.firstElementChild : before.nextElementSibling;
      if (item !== place) this.#list.insertBefore(item, place);
      before = item;
    }
    const others = room.count - users.length;
    byId("roster-more").hidden = others <= 0;
    byId("roster-more").textContent = `and ${others} more`;
    byId("people-count").textContent = room.count > 999 ? "999+" : String(Math.max(room.count, users.length));
    this.#invite();
  }

  #invite() {
    byId("add-member").hidden = !this.#store.current.private;
  }

  #add(user) {
    const avatar = make("span", { class: "avatar" });
    avatar.setAttribute("aria-hidden", "true");
    paintAvatar(avatar, user);
    const item = make("li", {}, avatar, make("bdi", { text: user.name }));
    if (user.id === this.#store.me.id) item.append(make("span", { class: "you", text: "you" }));
    this.#items.set(user.id, item);
    return item;
  }
}
