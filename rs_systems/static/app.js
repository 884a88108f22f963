// Behavior that HTML and htmx do not offer.

// Show a message if a request fails, except for the bell's poll.
function showFailure(event) {
  if (event.detail.elt.id === "bell") return;
  const words = document.createElement("span");
  const { offline, broken } = document.body.dataset;
  words.textContent = event.type === "htmx:sendError" ? offline : broken;
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
  // A preview goes into a frame, and may be sent again at once.
  if (event.defaultPrevented || form.method !== "post" || event.submitter?.formTarget) return;
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

// Offer the browser's time zone for confirmation, and use it until then.
const zone = document.querySelector("form[data-zone='']");
if (zone) {
  const guess = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = [...zone.elements.zone.options].some((option) => option.value === guess);
  if (known && guess !== zone.elements.zone.value) {
    zone.elements.zone.value = guess;
    const values = new FormData(zone);
    values.set("guess", "1");
    fetch(zone.action, { method: "POST", body: values });
  }
}

// Show what is typed into the password fields. The button is hidden where no script runs.
for (const button of document.querySelectorAll("[data-show-password]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const isShown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", isShown);
    for (const id of button.dataset.showPassword.split(" ")) {
      document.getElementById(id).type = isShown ? "text" : "password";
    }
  });
}

// Renew a form's preview when its fields change. Without scripts its button does that.
const previewButton = document.querySelector("[data-preview]");

function renewPreview() {
  // A new frame, since each load of an old one would be a step of the back button.
  const old = document.querySelector(`iframe[name="${previewButton.formTarget}"]`);
  const frame = old.cloneNode();
  frame.removeAttribute("src");
  old.replaceWith(frame);
  previewButton.form.requestSubmit(previewButton);
}

if (previewButton) {
  let waiting;
  document.addEventListener("input", (event) => {
    if (event.target.form !== previewButton.form) return;
    clearTimeout(waiting);
    waiting = setTimeout(renewPreview, 400);
  });
}

// Show a page from the back-forward cache as it is now, not as it was before an action.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// Keep what was typed into a form with data-draft until it has arrived: the session may have
// expired. The draft stays in this tab, and is for the same user on the same page alone.
const { user, failed } = document.body.dataset;

function saveDraft(form) {
  if (!user) return;
  const values = [...new FormData(form)].filter(([name]) => name !== "csrfmiddlewaretoken");
  const draft = { user, path: location.pathname, action: form.getAttribute("action"), values };
  sessionStorage.setItem("draft", JSON.stringify(draft));
}

function fillIn(form, values) {
  for (const [name, value] of values) {
    for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (field.type === "radio") field.checked = field.value === value;
      // The token too, so that a request which had arrived is not made twice.
      else if (field.type !== "hidden" || name === "token") field.value = value;
    }
  }
}

async function restoreDraft() {
  const draft = JSON.parse(sessionStorage.getItem("draft") || "null");
  // On the sign-in page and on an error page it is not known yet whether it has arrived.
  if (!draft || !user || failed !== undefined) return;
  sessionStorage.removeItem("draft");
  const form = [...document.querySelectorAll("form[data-draft]")].find(
    (each) => each.getAttribute("action") === draft.action,
  );
  // A form with errors already shows what was typed.
  if (!form || form.querySelector(".summary")) return;
  if (draft.user !== user || draft.path !== location.pathname) return;
  const breaks = document.getElementById("breaks");
  if (breaks) {
    const values = { ...Object.fromEntries(draft.values), restore: "1" };
    values.csrfmiddlewaretoken = form.elements.csrfmiddlewaretoken.value;
    await htmx.ajax("POST", location.pathname, { target: breaks, swap: "outerHTML", values });
  }
  fillIn(form, draft.values);
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-draft]")) saveDraft(event.target);
  if (event.submitter?.matches("[data-sign-out]")) sessionStorage.clear();
});
restoreDraft();
