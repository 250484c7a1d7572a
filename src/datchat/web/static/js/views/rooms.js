/** The list of rooms, their badges, and the head of the open one. */

import { badge, byId, icon, make } from "./dom.js";

export class RoomsView {
  #store;
  #list = byId("room-list");
  /** @type {Map<string, {item: HTMLElement, link: HTMLElement, title: HTMLElement, count: HTMLElement}>} */
  #items = new Map();

  /** @param {import("../store.js").Store} store @param {{onPick: (id: string) => void}} parts */
  constructor(store, { onPick }) {
    this.#store = store;
    this.#list.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      // A new tab or window is the browser's affair.
      if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      onPick(link.dataset.room);
    });
    store.addEventListener("rooms", () => this.#draw());
    store.addEventListener("room", (event) => this.#update(event.detail.room));
    store.addEventListener("open", () => this.#opened());
    this.#draw();
  }

  #draw() {
    for (const [id, { item }] of this.#items) {
      if (this.#store.rooms.has(id)) continue;
      item.remove();
      this.#items.delete(id);
    }
    let before = null;
    for (const room of this.#store.rooms.values()) {
      const { item } = this.#items.get(room.id) ?? this.#add(room);
      const place = before === null ? this.#list.firstElementChild : before.nextElementSibling;
      if (item !== place) this.#list.insertBefore(item, place);
      before = item;
      this.#update(room);
    }
    this.#opened();
  }

  #add(room) {
    const title = make("bdi", { class: "room-name" });
    const count = make("span", { class: "badge" });
    const link = make("a", {}, icon(room.private ? "lock" : "hash"), title, count);
    link.href = `/rooms/${room.id}`;
    link.dataset.room = room.id;
    const parts = { item: make("li", {}, link), link, title, count };
    this.#items.set(room.id, parts);
    return parts;
  }

  #update(room) {
    const parts = this.#items.get(room.id);
    if (parts === undefined) return;
    parts.title.textContent = room.title;
    parts.item.classList.toggle("archived", room.archived);
    parts.item.classList.toggle("unread", room.unread > 0);
    parts.count.hidden = room.unread === 0;
    parts.count.replaceChildren();
    if (room.unread > 0) parts.count.append(badge(room.unread), make("span", { class: "unseen", text: " unread" }));
    byId("side-dot").hidden = this.#store.unread - this.#store.current.unread === 0;
    if (room === this.#store.current) this.#head(room);
    else this.#tellTitle();
  }

  #opened() {
    for (const [id, { link }] of this.#items) {
      if (id === this.#store.current.id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#head(this.#store.current);
  }

  #head(room) {
    byId("room-title").textContent = room.title;
    byId("room-note").textContent = room.archived ? "archived" : room.private ? "private" : "";
    byId("room-settings").hidden = !room.moderator;
    this.#tellTitle();
  }

  #tellTitle() {
    const { unread, current } = this.#store;
    document.title = `${unread > 0 ? `(${badge(unread)}) ` : ""}${current.title} · Dat Chat`;
  }
}
