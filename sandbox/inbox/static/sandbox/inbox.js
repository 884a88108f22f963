// The page keeps up by itself: what htmx fetches is merged in, so that whatever stays the same
// keeps its scroll position, focus and selection.

function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  mergeAttributes(old, fresh);
  mergeChildren(old, fresh);
}

function mergeAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // What the reader has opened stays open.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
}

function mergeChildren(old, fresh) {
  const kept = new Set([...fresh.children].map((child) => child.id));
  for (const child of [...old.children]) {
    if (child.id && !kept.has(child.id)) child.remove();
  }
  let place = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = counterpart(old, place, child);
    if (!match) {
      if (child.id) child.classList.add("sandbox-arrived");
      old.insertBefore(child, place);
      continue;
    }
    if (match === place) place = place.nextSibling;
    else (old.moveBefore ?? old.insertBefore).call(old, match, place);
    merge(match, child);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

// What has an id is found by it, the rest by its place.
function counterpart(old, place, child) {
  if (child.id) return old.querySelector(`:scope > #${CSS.escape(child.id)}`);
  return place && !place.id && place.nodeName === child.nodeName ? place : null;
}

htmx.defineExtension("merge", {
  handleSwap(style, target, fragment) {
    if (style !== "merge") return false;
    merge(target, fragment.querySelector(`#${target.id}`));
    return [target];
  },
});

const live = document.getElementById("live");

live.addEventListener("htmx:afterRequest", (event) => {
  live.classList.toggle("sandbox-stale", !event.detail.successful);
});

for (const part of document.querySelectorAll("[hx-ext=merge]")) {
  part.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });
  // The page says by itself that it is stale; app.js would say so every two seconds.
  for (const failure of ["htmx:sendError", "htmx:responseError"]) {
    part.addEventListener(failure, (event) => event.stopPropagation());
  }
}
