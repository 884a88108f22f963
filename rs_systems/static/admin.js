"use strict";

// Unfold's toggles of the menu and the filters are no buttons: no key reaches them.
const TOGGLES = { filterOpen: "Filters", sidebarDesktopOpen: "Menu", sidebarMobileOpen: "Menu" };

function makeButton(element, name) {
  element.setAttribute("role", "button");
  element.setAttribute("aria-label", name);
  element.tabIndex = 0;
  element.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      element.click();
    }
  });
}

// A choice of Select2 is named by what is chosen alone; name it by its label too.
function nameChoice(select) {
  const label = document.querySelector(`label[for="${select.id}"]`);
  const choice = select.parentElement.querySelector("[role=combobox]");
  if (label && choice) {
    label.id = label.id || `${select.id}_label`;
    choice.setAttribute("aria-labelledby", `${label.id} ${choice.getAttribute("aria-labelledby")}`);
    choice.querySelector("[role=textbox]").setAttribute("aria-labelledby", label.id);
  }
}

window.addEventListener("load", () => {
  for (const [state, name] of Object.entries(TOGGLES)) {
    document
      .querySelectorAll(`:is(a:not([href]), span)[x-on\\:click^="${state} = "]`)
      .forEach((element) => makeButton(element, name));
  }
  // jQuery makes the choices in such calls too, and carries them out in order.
  window.django?.jQuery?.(() =>
    document.querySelectorAll("select.admin-autocomplete").forEach(nameChoice),
  );
});
