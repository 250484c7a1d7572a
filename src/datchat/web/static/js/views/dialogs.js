/** The dialogs: a new room, a room's settings, a new member, deleting, and the end of the session. */

import { excerpt } from "../text.js";
import { byId } from "./dom.js";

export class DialogsView {
  #store;
  #deleting = null;

  /** @param {import("../store.js").Store} store @param {{onOpened: (id: string) => void}} parts */
  constructor(store, { onOpened }) {
    this.#store = store;
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
    }
    this.#newRoom(onOpened);
    this.#settings();
    this.#member();
    byId("delete-form").addEventListener("submit", () => this.#store.remove(this.#deleting));
    byId("ended-dialog").addEventListener("cancel", (event) => event.preventDefault());
    store.addEventListener("ended", (event) => this.#ended(event.detail));
  }

  /** Ask before a message is deleted. @param {import("../timeline.js").Message} message */
  askToDelete(message) {
    this.#deleting = message.offset;
    byId("delete-text").textContent = excerpt(message.text, 200);
    byId("delete-dialog").showModal();
  }

  #newRoom(onOpened) {
    const [name, id] = [byId("new-room-name"), byId("new-room-id")];
    let chosen = false;
    byId("new-room").addEventListener("click", () => {
      byId("new-room-form").reset();
      byId("new-room-error").textContent = "";
      chosen = false;
      byId("new-room-dialog").showModal();
      name.focus();
    });
    name.addEventListener("input", () => {
      if (!chosen) id.value = slug(name.value);
    });
    id.addEventListener("input", () => {
      chosen = id.value !== "";
    });
    this.#submits("new-room", async (fields) => {
      const room = { id: fields.get("id"), title: fields.get("title"), private: fields.get("private") === "on" };
      await this.#store.createRoom(room);
      onOpened(room.id);
    });
  }

  #settings() {
    byId("room-settings").addEventListener("click", () => {
      const form = byId("settings-form");
      form.elements.title.value = this.#store.current.title;
      form.elements.archived.checked = this.#store.current.archived;
      byId("settings-error").textContent = "";
      byId("settings-dialog").showModal();
    });
    this.#submits("settings", (fields) =>
      this.#store.updateRoom({ title: fields.get("title"), archived: fields.get("archived") === "on" }),
    );
  }

  #member() {
    byId("add-member").addEventListener("click", () => {
      byId("member-form").reset();
      byId("member-error").textContent = "";
      byId("member-dialog").showModal();
    });
    this.#submits("member", (fields) => this.#store.addMember(fields.get("email")));
  }

  /** Send a dialog's form; it closes when that went well, and says why when it didn't. */
  #submits(name, send) {
    const form = byId(`${name}-form`);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector('[type="submit"]');
      const error = byId(`${name}-error`);
      button.disabled = true;
      error.textContent = "";
      try {
        await send(new FormData(form));
        byId(`${name}-dialog`).close();
      } catch (problem) {
        error.textContent = problem.message;
      } finally {
        button.disabled = false;
      }
    });
  }

  #ended({ code }) {
    const back = encodeURIComponent(location.pathname);
    const [title, text, label, href] =
      code === 4501
        ? [
            "The chat was renewed",
            "Load the page again to go on. What you wrote is kept.",
            "Load again",
            location.pathname,
          ]
        : code === 4503 || code === 4502
          ? [
              "Disconnected",
              "The server has ended this connection. What you wrote is kept.",
              "Connect again",
              location.pathname,
            ]
          : [
              "You are signed out",
              "Sign in to go on. What you wrote is kept in this browser.",
              "Sign in",
              `/auth/sign_in?return_to=${back}`,
            ];
    byId("ended-title").textContent = title;
    byId("ended-text").textContent = text;
    byId("ended-link").textContent = label;
    byId("ended-link").href = href;
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    byId("ended-dialog").showModal();
  }
}

/** An address from a name; one in another script gets a random one. @param {string} name */
export function slug(name) {
  const plain = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 48);
  if (plain !== "") return plain;
  return name.trim() === "" ? "" : `room-${Math.floor(performance.now() * 1000).toString(36)}`;
}
