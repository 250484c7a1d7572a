/**
 * Which tab of this browser an outbox belongs to. A claim lasts as long as its tab; what a dead tab leaves behind,
 * another may claim.
 *
 * Web Locks settle it exactly, but only where the page came by https or from this machine. Elsewhere a stamp in
 * localStorage, renewed while the tab lives, does: two tabs may then claim the same after a freeze. That costs nothing
 * but a repeated post, which the nonce turns into the first one.
 */

const RENEW_MS = 2_000;
/** Browsers let the timers of hidden tabs run once a minute: an older stamp than this has nobody behind it. */
const DEAD_MS = 150_000;

/**
 * @param {{locks?: LockManager, storage: Storage, now?: () => number}} parts
 * @returns {LockClaims | StampClaims}
 */
export function openClaims({ locks, storage, now = Date.now }) {
  return locks ? new LockClaims(locks) : new StampClaims(storage, now);
}

export class LockClaims {
  #locks;

  constructor(locks) {
    this.#locks = locks;
  }

  /**
   * Claim a name for the life of this tab.
   * @param {string} name
   * @returns {Promise<boolean>} whether it is ours now
   */
  claim(name) {
    return new Promise((resolve) => {
      const held = this.#locks.request(name, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise(() => {});
      });
      held.catch(() => resolve(false));
    });
  }

  release() {}
}

export class StampClaims {
  #storage;
  #now;
  #names = new Set();

  constructor(storage, now) {
    this.#storage = storage;
    this.#now = now;
    if (typeof setInterval === "function" && typeof window !== "undefined") {
      setInterval(() => this.renew(), RENEW_MS);
      window.addEventListener("pagehide", () => this.release());
      window.addEventListener("pageshow", () => this.renew());
    }
  }

  async claim(name) {
    const stamp = Number(this.#storage.getItem(`${name}.claim`) ?? 0);
    if (!this.#names.has(name) && this.#now() - stamp < DEAD_MS) return false;
    this.#names.add(name);
    this.renew();
    return true;
  }

  renew() {
    for (const name of this.#names) this.#storage.setItem(`${name}.claim`, String(this.#now()));
  }

  /** The tab goes: whoever comes next may have its claims at once. */
  release() {
    for (const name of this.#names) this.#storage.removeItem(`${name}.claim`);
  }
}
