/**
 * The JSON API over fetch: errors as exceptions with the server's sentence, the CSRF token on what changes something.
 */

const TIMEOUT_MS = 15_000;
/** What only reads is asked for again when no answer came: networks change under a page. */
const AGAIN_AFTER_MS = [200, 800];

export class ApiError extends Error {
  /** @param {number} status 0 when there was no answer @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export class Api {
  #csrf;

  /** @param {string} csrf */
  constructor(csrf) {
    this.#csrf = csrf;
  }

  /** Who is signed in. @throws {ApiError} 401: nobody. */
  me() {
    return this.#call("GET", "/me");
  }

  rooms() {
    return this.#call("GET", "/rooms");
  }

  /** @param {{id: string, title: string, private: boolean}} room */
  createRoom(room) {
    return this.#call("POST", "/rooms", room);
  }

  /** @param {string} room @param {{title?: string, archived?: boolean}} change */
  updateRoom(room, change) {
    return this.#call("PATCH", `/rooms/${room}`, change);
  }

  /** @param {string} room @param {string} email */
  addMember(room, email) {
    return this.#call("POST", `/rooms/${room}/members`, { email });
  }

  /**
   * A view: the newest messages, or those before an offset.
   * @param {string} room @param {{before?: number, limit?: number}} [page]
   */
  messages(room, { before, limit = 50 } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (before !== undefined) query.set("before", String(before));
    return this.#call("GET", `/rooms/${room}/messages?${query}`);
  }

  async #call(method, path, body = undefined) {
    const headers = { accept: "application/json" };
    if (method !== "GET") headers["x-csrf-token"] = this.#csrf;
    if (body !== undefined) headers["content-type"] = "application/json";
    const options = {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    };
    const response = await fetched(`/api/v1${path}`, options, method === "GET" ? AGAIN_AFTER_MS : []);
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => null);
    if (!response.ok) throw new ApiError(response.status, answer?.code ?? "error", sentence(answer?.message));
    return answer;
  }
}

async function fetched(path, options, waits) {
  for (const waitMs of [...waits, null]) {
    try {
      return await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch {
      if (waitMs !== null) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
  throw new ApiError(0, "unreachable", "The server can't be reached.");
}

/** The server's reasons begin small and end without a stop: they are also read by programs. */
function sentence(message) {
  if (!message) return "The server can't answer right now.";
  return `${message[0].toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}`;
}
