// What makes the console handier. Every page works without it.

// Dark or light, as the system has it. Set before the page is painted, so that nothing flashes.
document.documentElement.classList.add("scripted");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
follow();
dark.addEventListener("change", follow);

// A button that copies what another element shows. Browsers let pages do so over HTTPS and on the own machine only.
function copy(button) {
  const shown = document.getElementById(button.dataset.copy);
  const said = button.textContent;
  navigator.clipboard.writeText(shown.textContent).then(() => {
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = said; }, 2000);
  }, () => window.getSelection().selectAllChildren(shown));
}

// A form that asks first: its question is fetched, and shown above the page in place of a page of its own. "asking" has the server do
// nothing; where there is no question, the form is then sent as always.
async function ask(form, submitter) {
  const body = new URLSearchParams(new FormData(form, submitter));
  body.set("asking", "yes");
  const reply = await fetch(form.action, { method: "POST", body });
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const question = page.getElementById("question");
  if (!question) return false;
  const dialog = document.getElementById("dialog");
  dialog.replaceChildren(document.adoptNode(question));
  const keep = dialog.querySelector("[data-keep]");
  keep.addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
  dialog.showModal();
  // Not on the button that does it: a second Enter would be a yes.
  keep.focus();
  return true;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button && navigator.clipboard) copy(button);
  const more = event.target.closest("[data-more]");
  if (more) {
    event.preventDefault();
    const rows = document.getElementById(more.dataset.more);
    const row = rows.lastElementChild.cloneNode(true);
    row.querySelectorAll(".fault").forEach((fault) => fault.remove());
    row.querySelectorAll("input").forEach((input) => { input.value = ""; input.classList.remove("is-invalid"); input.removeAttribute("aria-invalid"); });
    rows.append(row);
    row.querySelector("input").focus();
  }
});

// A password that is typed is meant: its choice follows it. Without this script the server says that the two do not fit.
document.addEventListener("input", (event) => {
  const field = event.target;
  if (field.name !== "Password" || !field.value) return;
  const custom = field.form?.querySelector("[name=PasswordMode][value=Custom]");
  if (custom) custom.checked = true;
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-asks]") || form.closest("dialog")) return;
  event.preventDefault();
  ask(form, event.submitter).then((asked) => { if (!asked) form.submit(); }, () => form.submit());
});
