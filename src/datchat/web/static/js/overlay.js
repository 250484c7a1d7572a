/** A message with what its reader has just done to it, before the log says so. Pure. */

import { apply } from "./timeline.js";

const KINDS = { edit: "edit", react: "reaction" };

/**
 * @param {import("./timeline.js").Message} message
 * @param {import("./outbox.js").Draft[]} drafts those that name the message as their target, oldest first
 * @param {import("./timeline.js").User} me
 * @returns {{message: import("./timeline.js").Message, busy: boolean, failed: import("./outbox.js").Draft | null}}
 *   busy: a change of its words is on its way; failed: the change that did not go
 */
export function overlay(message, drafts, me) {
  let shown = message;
  let busy = false;
  let failed = null;
  for (const draft of drafts) {
    if (draft.state === "failed") {
      failed = draft;
      continue;
    }
    busy ||= draft.type !== "react";
    const kind = KINDS[draft.type];
    if (kind) shown = apply(shown, { ...draft, kind, offset: shown.revision + 1, author: me });
  }
  return { message: shown, busy, failed };
}
