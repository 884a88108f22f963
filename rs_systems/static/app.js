// What HTML and htmx cannot say by themselves.

// A lost connection must not look like a button that does nothing. The bell's poll fails silently.
function tellOfFailure(event) {
  if (event.detail.elt.id === "bell") return;
  const words = document.createElement("span");
  words.textContent =
    event.type === "htmx:sendError"
      ? "No connection. Nothing was changed; try again when you are back online."
      : "That did not work, and nothing was changed. Reload the page and try again.";
  const flash = document.createElement("p");
  flash.className = "flash flash-error";
  flash.append(words);
  const flashes = document.getElementById("flashes");
  flashes.replaceChildren(flash);
  flashes.scrollIntoView({ block: "nearest" });
}
document.addEventListener("htmx:sendError", tellOfFailure);
document.addEventListener("htmx:responseError", tellOfFailure);

// A second tap must not send a form twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000);
});

// A page that nobody looks at does not poll.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.id === "bell") event.preventDefault();
});

// The user menu closes when the attention moves on.
const menu = document.querySelector("details.menu");
if (menu) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
