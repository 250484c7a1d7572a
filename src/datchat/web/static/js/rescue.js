/**
 * Loads the page again when its modules did not all arrive: the network changed or the server went on the way. No
 * module itself, so that it works when they don't.
 */

const TRIES = 3;
const COUNTED = "datchat.rescue";

addEventListener("load", () => {
  if (document.body.dataset.started === "true") {
    sessionStorage.removeItem(COUNTED);
    return;
  }
  const tries = Number(sessionStorage.getItem(COUNTED) ?? 0);
  if (tries < TRIES) {
    sessionStorage.setItem(COUNTED, String(tries + 1));
    setTimeout(() => location.reload(), 300 * 3 ** tries);
  } else {
    sessionStorage.removeItem(COUNTED);
    document.getElementById("node-news").textContent = "The page could not be loaded in full. Please load it again.";
  }
});
