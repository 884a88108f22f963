// The page updates itself. What htmx fetches is merged in, so that unchanged parts keep their
// scroll position, focus and selection.

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
    // Keep what the user opened open.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
}

function mergeChildren(old, fresh) {
  const kept = new Set([...fresh.children].map((child) => child.id));
  for (const child of [...old.children]) {
    if (child.id && !kept.has(child.id)) child.remove();
  }
  let position = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = counterpart(old, position, child);
    if (!match) {
      if (child.id) child.classList.add("sandbox-arrived");
      old.insertBefore(child, position);
      continue;
    }
    if (match === position) position = position.nextSibling;
    else (old.moveBefore ?? old.insertBefore).call(old, match, position);
    merge(match, child);
  }
  while (position) {
    const next = position.nextSibling;
    position.remove();
    position = next;
  }
}

// Find an element by its id, or without one by its position.
function counterpart(old, position, child) {
  if (child.id) return old.querySelector(`:scope > #${CSS.escape(child.id)}`);
  return position && !position.id && position.nodeName === child.nodeName ? position : null;
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
  // This page shows that it is stale; app.js would show an error every two seconds.
  for (const failure of ["htmx:sendError", "htmx:responseError"]) {
    part.addEventListener(failure, (event) => event.stopPropagation());
  }
}
