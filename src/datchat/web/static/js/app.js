/** Wires the page: socket → store → views. Nothing else builds these. */

import { Announcer } from "./announcer.js";
import { Api } from "./api.js";
import { openClaims } from "./claims.js";
import { Outbox } from "./outbox.js";
import { Socket } from "./socket.js";
import { Store } from "./store.js";
import { BannerView } from "./views/banner.js";
import { ComposerView } from "./views/composer.js";
import { DialogsView } from "./views/dialogs.js";
import { byId, paintAvatar } from "./views/dom.js";
import { DrawersView } from "./views/drawers.js";
import { LogView } from "./views/log.js";
import { PickerView } from "./views/picker.js";
import { RosterView } from "./views/roster.js";
import { RoomsView } from "./views/rooms.js";
import { ToastView } from "./views/toast.js";
import { TypingView } from "./views/typing.js";

const page = JSON.parse(byId("datchat-page").textContent);
const url = new URL("/ws", location.href);
url.protocol = url.protocol === "https:" ? "wss:" : "ws:";

const socket = new Socket(url.href);
const outbox = new Outbox({
  storage: localStorage,
  claims: openClaims({ locks: navigator.locks, storage: localStorage }),
  userId: page.me.id,
  windowMs: page.nonce_window_ms,
});
const store = new Store({ page, socket, api: new Api(page.csrf), outbox });

// Views

paintAvatar(byId("my-avatar"), page.me);
const drawers = new DrawersView();
const picker = new PickerView();
const composer = new ComposerView(store, { onMark: (offset) => log.mark(offset) });
const dialogs = new DialogsView(store, { onOpened: remember });
const log = new LogView(store, new Announcer(byId("announcer")), {
  reply: (message) => composer.reply(message),
  edit: (message) => composer.edit(message),
  remove: (message) => dialogs.askToDelete(message),
  react: (message, button) => picker.open(button, (emoji) => store.toggle(message.offset, emoji)),
  compose: () => composer.focus(),
});
new BannerView(store);
new RosterView(store);
new RoomsView(store, { onPick: pick });
new ToastView(store);
new TypingView(store);
byId("composer-emoji").addEventListener("click", (event) =>
  picker.open(event.currentTarget, (emoji) => composer.insert(emoji)),
);

// Addresses

function pick(id) {
  if (id !== store.current.id) remember(id);
  drawers.close(false);
  store.open(id);
  // A phone's keyboard should not rise by itself.
  if (matchMedia("(hover: hover)").matches) composer.focus();
}

function remember(id) {
  history.pushState({ room: id }, "", `/rooms/${id}`);
}

history.replaceState({ room: page.room }, "");
window.addEventListener("popstate", (event) => store.open(event.state?.room ?? page.room));

// The line

window.addEventListener("online", () => store.nudge());
document.addEventListener("visibilitychange", () => document.hidden || store.nudge());

store.open(page.room);
store.start();
document.body.dataset.started = "true";
if (matchMedia("(hover: hover)").matches) composer.focus();
