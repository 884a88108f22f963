// The editor of a message's words: live preview, and variables inserted by a click.

const form = document.querySelector("[data-wording]");
const show = document.querySelector("[data-preview]");
let lastField = form.querySelector("textarea");
const shape = document.querySelector("[data-shape]");
let count = 0;
let timer;

// Send the form into a new frame each time: a frame's first page makes no entry in the history.
function refresh() {
  const frame = document.createElement("iframe");
  frame.name = `preview-${++count}`;
  frame.title = shape.querySelector("iframe").title;
  frame.sandbox = "";
  frame.className = "loading";
  shape.append(frame);
  frame.addEventListener("load", () => {
    // Also those that a later request has overtaken.
    while (frame.previousElementSibling) frame.previousElementSibling.remove();
    frame.className = "";
  });
  show.formTarget = frame.name;
  form.requestSubmit(show);
}

function refreshSoon() {
  clearTimeout(timer);
  timer = setTimeout(refresh, 600);
}

form.addEventListener("input", (event) => {
  if (event.target.name !== "reason") refreshSoon();
});

// The frame has one size for each way of reading.
document.addEventListener("change", (event) => {
  if (event.target.name !== "show") return;
  shape.dataset.shape = event.target.value;
  refresh();
});

form.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-part]")) lastField = event.target;
});

for (const button of document.querySelectorAll("[data-insert]")) {
  button.addEventListener("click", () => {
    lastField.setRangeText(button.dataset.insert, lastField.selectionStart, lastField.selectionEnd, "end");
    lastField.focus();
    refreshSoon();
  });
}
