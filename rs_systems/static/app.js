// Behaviour that HTML and htmx do not offer.

// Show a message if a request fails, except for the bell's poll.
function showFailure(event) {
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
document.addEventListener("htmx:sendError", showFailure);
document.addEventListener("htmx:responseError", showFailure);

// Ignore a second tap while a form is being sent.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000);
});

// Do not poll from a hidden page.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.id === "bell") event.preventDefault();
});

// Close the user menu on Escape or on a click elsewhere.
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
