/** Making nodes. All text goes through textContent. */

import { hueOf, initialsOf } from "../people.js";
import { parts } from "../text.js";

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * @param {string} tag @param {{class?: string, text?: string}} [options] @param {...Node} children
 */
export function make(tag, { class: names, text } = {}, ...children) {
  const element = document.createElement(tag);
  if (names) element.className = names;
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

/** @param {string} name one of the symbols in _icons.html */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Initials and colour of a person. @param {HTMLElement} element @param {{id: string, name: string}} user */
export function paintAvatar(element, user) {
  element.textContent = initialsOf(user.name);
  element.style.setProperty("--hue", String(hueOf(user.id)));
}

/** A person's text with its links and code. @param {string} text */
export function textFragment(text) {
  const fragment = document.createDocumentFragment();
  for (const part of parts(text)) {
    if (part.kind === "text") {
      fragment.append(part.text);
    } else if (part.kind === "link") {
      const link = make("a", { text: part.text });
      link.href = part.href;
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
      fragment.append(link);
    } else {
      fragment.append(make(part.kind === "block" ? "pre" : "code", { text: part.text }));
    }
  }
  return fragment;
}

/** A count in a badge: not more than two digits. @param {number} count */
export function badge(count) {
  return count > 99 ? "99+" : String(count);
}
