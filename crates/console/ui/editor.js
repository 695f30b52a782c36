// The editor of policy documents: a text area becomes CodeMirror, and what the checker says is shown where it is.
// Without this script the text area stays, and the server shows the same faults under it.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, linter, lintKeymap } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

// Colours come from the page, so that they follow its theme.
const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--sluice-code-name)" },
  { tag: tags.string, color: "var(--sluice-code-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--sluice-code-value)" },
]);

const looks = EditorView.theme({
  "&": { fontSize: "13px", backgroundColor: "var(--sluice-field)", color: "var(--sluice-ink)", borderRadius: "6px" },
  "&.cm-focused": { outline: "2px solid var(--tblr-primary)" },
  ".cm-content": { fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace", minHeight: "16rem", caretColor: "var(--sluice-ink)" },
  ".cm-cursor": { borderLeftColor: "var(--sluice-ink)" },
  ".cm-scroller": { maxHeight: "36rem", overflow: "auto" },
  ".cm-gutters": { backgroundColor: "var(--sluice-ground)", color: "var(--sluice-faint)", borderRight: "1px solid var(--sluice-line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--sluice-chosen) !important" },
  ".cm-tooltip": { backgroundColor: "var(--sluice-paper)", color: "var(--sluice-ink)", border: "1px solid var(--sluice-line)" },
});

// The place of a line and a column (both from 1, the column in characters) in the text.
function offset(text, line, column) {
  const at = text.line(Math.min(Math.max(line, 1), text.lines));
  const before = Array.from(at.text).slice(0, Math.max(column - 1, 0)).join("").length;
  return Math.min(at.from + before, at.to);
}

// From there to the end of what begins there: a text in quotes, a bracket's first line.
function end(text, from) {
  const rest = text.lineAt(from).text.slice(from - text.lineAt(from).from);
  const quoted = /^"(?:[^"\\]|\\.)*"/.exec(rest);
  return from + (quoted ? quoted[0].length : Math.max(rest.trimEnd().length, 1));
}

function diagnosticsOf(text, said) {
  return said.map(({ severity, line, column, message }) => {
    const from = offset(text, line, column);
    return { from, to: Math.min(end(text, from), text.length), severity, message };
  });
}

function list(place, said) {
  place.replaceChildren();
  for (const { severity, line, column, message } of said) {
    const item = document.createElement("li");
    item.className = `said said-${severity}`;
    item.textContent = `${severity === "error" ? "Fault" : "Warning"} at line ${line}, column ${column}: ${message}`;
    place.append(item);
  }
}

function check(area) {
  return async (view) => {
    const body = new URLSearchParams({ csrf: area.form.elements.csrf.value, Kind: area.dataset.editor, Document: view.state.doc.toString() });
    const reply = await fetch("/console/ram/check-policy", { method: "POST", body, headers: { Accept: "application/json" } });
    const place = document.getElementById(area.dataset.said);
    if (!reply.ok) {
      list(place, [{ severity: "warning", line: 1, column: 1, message: "the document could not be checked just now" }]);
      return [];
    }
    const said = await reply.json();
    list(place, said);
    return diagnosticsOf(view.state.doc, said);
  };
}

function edit(area) {
  const host = document.createElement("div");
  host.className = "editor";
  area.before(host);
  // In a shadow tree its styles are sheets made by script, which the page's policy lets through; `style` tags it does not.
  const root = host.attachShadow({ mode: "open" });
  const label = document.querySelector(`label[for="${area.id}"]`);
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        lineNumbers(), history(), drawSelection(), indentOnInput(), indentUnit.of("  "), bracketMatching(), highlightActiveLine(),
        json(), syntaxHighlighting(colours), looks, EditorView.lineWrapping,
        lintGutter(), linter(check(area), { delay: 350 }),
        EditorView.contentAttributes.of({ "aria-label": label?.textContent.trim() ?? "Policy document" }),
        // Tab is left to the page, so that nobody who has only keys stays in here; Ctrl-] and Ctrl-[ indent.
        keymap.of([...defaultKeymap, ...historyKeymap, ...lintKeymap]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          // What the server said of the text that was sent is no longer about this one.
          document.getElementById(`fault-${area.name}`)?.remove();
        }),
      ],
    }),
  });
  area.classList.add("edited-elsewhere");
  label?.addEventListener("click", (event) => { event.preventDefault(); view.focus(); });
  // For whoever sets the text from outside: a template that is chosen, a test.
  area.addEventListener("sluice:set", (event) => {
    view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: event.detail } });
  });
}

document.querySelectorAll("textarea[data-editor]").forEach(edit);
