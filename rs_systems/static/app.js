// Behavior that HTML and htmx do not offer.

// What asks again by itself fails quietly.
const polls = (element) => element.id === "bell" || element.id === "cockpit";

// Show a message if a request of a person fails.
function showFailure(event) {
  if (polls(event.detail.elt)) return;
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

// Give the focus back if a swap takes it away: to the same thing, or to what is around it.
let focusedIds = [];
document.addEventListener("htmx:beforeRequest", (event) => {
  if (polls(event.detail.elt)) return;
  focusedIds = [];
  for (let each = document.activeElement; each; each = each.parentElement) {
    if (each.id) focusedIds.push(each.id);
  }
});
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement !== document.body) return;
  const place = document.getElementById(focusedIds.find((id) => document.getElementById(id)));
  if (!place) return;
  if (place.tabIndex < 0) place.tabIndex = -1;
  place.focus({ preventScroll: true });
});

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
  if (document.hidden && polls(event.detail.elt)) event.preventDefault();
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

// Take back a file that is too large at once, and not after all of it was sent.
document.addEventListener("change", ({ target }) => {
  if (!target.dataset.mostBytes) return;
  const isTooLarge = [...target.files].some((file) => file.size > target.dataset.mostBytes);
  if (isTooLarge) target.value = "";
  document.getElementById(target.dataset.tooLarge).hidden = !isTooLarge;
});

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

// Find a vehicle in the list by its number. The field is hidden where no script runs.
const find = document.querySelector("[data-find]");
if (find) {
  const select = document.getElementById(find.dataset.find);
  const [none, ...units] = select.options;
  const announcements = document.getElementById("announcements");
  const missing = find.closest(".field").querySelector("[data-missing]");
  find.closest("[hidden]").hidden = false;
  find.addEventListener("input", () => {
    const typed = find.value.trim().toLowerCase();
    const numbered = (test) => units.filter((unit) => test(unit.dataset.number.toLowerCase()));
    const exact = numbered((number) => number === typed);
    const found = numbered((number) => number.includes(typed));
    missing.hidden = found.length > 0;
    select.replaceChildren(none, ...(found.length ? found : units));
    const only = exact.length === 1 ? exact[0] : found.length === 1 ? found[0] : null;
    (only ?? none).selected = true;
    announcements.textContent = only?.text ?? (found.length ? "" : missing.textContent);
  });
}

// Switch the keyboard of a phone between digits and letters.
for (const button of document.querySelectorAll("[data-letters]")) {
  button.addEventListener("click", () => {
    const field = document.getElementById(button.dataset.letters);
    const isLetters = field.inputMode === "numeric";
    field.inputMode = isLetters ? "text" : "numeric";
    button.setAttribute("aria-pressed", isLetters);
    field.blur();
    field.focus();
  });
}

// Say what an approval of the selected repairs grants, and select all of them.
function countSelected() {
  const form = document.getElementById("several");
  if (!form) return;
  const boxes = [...document.querySelectorAll('[form="several"]')];
  const chosen = boxes.filter((box) => box.checked);
  const all = document.querySelector("[data-select-all]");
  all.checked = chosen.length === boxes.length;
  all.closest(".pick-all").hidden = boxes.length < 2;
  const total = chosen.reduce((sum, box) => sum + Math.round(box.dataset.amount * 100), 0) / 100;
  const locale = `${document.documentElement.lang.slice(0, 2)}-US`;
  const money = new Intl.NumberFormat(locale, { style: "currency", currency: "USD" });
  form.querySelector("button").textContent = form.dataset.words
    .replace("[count]", chosen.length)
    .replace("[total]", money.format(total));
}
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-select-all]")) {
    for (const box of document.querySelectorAll('[form="several"]')) box.checked = event.target.checked;
  }
  countSelected();
});
document.addEventListener("htmx:afterSettle", countSelected);
countSelected();

// Show the offline page if the network is away.
navigator.serviceWorker?.register("/worker.js");

// Show a page from the back-forward cache as it is now, not as it was before an action.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// Keep what was typed into a form with data-draft until it has arrived: the session may have
// expired. The draft stays in this tab, and is for the same user on the same page alone.
const { user, failed } = document.body.dataset;

function saveDraft(form) {
  if (!user) return;
  // A secret must not be kept. A file cannot be, nor filled in again.
  const secrets = form.querySelectorAll("[type=password], [autocomplete=one-time-code]");
  const left = new Set(["csrfmiddlewaretoken", ...[...secrets].map((field) => field.name)]);
  const values = [...new FormData(form)].filter(
    ([name, value]) => !left.has(name) && typeof value === "string",
  );
  const hasFile = [...form.querySelectorAll("[type=file]")].some(({ files }) => files.length);
  const action = form.getAttribute("action");
  const draft = { user, path: location.pathname, action, values, hasFile };
  sessionStorage.setItem("draft", JSON.stringify(draft));
}

// Hidden fields that say on what the user acted: so a request which had arrived is not made twice,
// and what somebody else saved meanwhile is not overwritten unseen.
const KEPT = new Set(["token", "seen", "after"]);

function fillIn(form, values) {
  for (const box of form.querySelectorAll("[type=checkbox]")) box.checked = false;
  for (const [name, value] of values) {
    for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (field.type === "radio") field.checked = field.value === value;
      else if (field.type === "checkbox") field.checked = true;
      else if (field.type !== "hidden" || KEPT.has(name)) field.value = value;
    }
  }
}

async function restoreDraft() {
  const draft = JSON.parse(sessionStorage.getItem("draft") || "null");
  if (!draft) return;
  if (!user || failed !== undefined) {
    // The sign-in page and an error page mean that it has not arrived, or may not have.
    sessionStorage.setItem("draft", JSON.stringify({ ...draft, isLost: true }));
    return;
  }
  sessionStorage.removeItem("draft");
  // Without a network the browser shows a page of its own, from which one goes back.
  const navigation = performance.getEntriesByType("navigation")[0];
  if (!draft.isLost && navigation?.type !== "back_forward") return;
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
  if (draft.hasFile) form.querySelector("[data-not-kept]")?.removeAttribute("hidden");
  form.closest("details")?.setAttribute("open", "");
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-draft]")) saveDraft(event.target);
  if (event.submitter?.matches("[data-sign-out]")) sessionStorage.clear();
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.requestConfig?.elt.matches("[data-draft]")) sessionStorage.removeItem("draft");
});
restoreDraft();
