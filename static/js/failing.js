/* A part of a page that was asked for and did not come: it is said, in place and to screen readers, never passed over.
   A link of which the server did not give the part leads to its page. The words stand in templates/parts/failed.html.
   What refreshes by itself ([data-live]) has a mark of its own; the new-order form tells its own failures. */
(function () {
  "use strict";
  var panel = window.panel;
  var notes = {}; // by the address that was asked

  function forget(event) {
    var path = event.detail.pathInfo && event.detail.pathInfo.requestPath;
    if (!path || !notes[path]) return;
    notes[path].remove();
    delete notes[path];
  }
  document.addEventListener("htmx:beforeRequest", forget);

  /* data-reads: a POST that changes nothing, as a preview; so is a form that may be sent again. */
  function changes(asked) { return asked.requestConfig.verb !== "get" && !asked.elt.closest("[data-reads], [data-again]"); }
  function told(event, what) {
    var asked = event.detail, element = asked.elt;
    if (!element || element.hasAttribute("data-live")) return;
    if (what !== "away" && asked.requestConfig.verb === "get" && element.matches("a[href]")) {
      location.assign(element.href);
      return;
    }
    var words = document.getElementById("failed-words");
    if (!words) return;
    var status = asked.xhr.status;
    // an answer below 500 was given instead of doing it
    if (changes(asked) && (what !== "answer" || status >= 500)) what = "unknown";
    forget(event);
    var note = words.content.firstElementChild.cloneNode(true);
    panel.all("[data-case]", note).forEach(function (part) { if (part.dataset.case !== what) part.remove(); });
    var again = note.querySelector("[data-reload]");
    if (again) again.href = location.href;
    panel.all("[data-needs-script]", note).forEach(function (part) { part.hidden = false; });
    note.addEventListener("click", function (event) { // whoever closes it is back where he asked
      if (event.target.closest("[data-close]") && element.isConnected) element.focus();
    });
    notes[asked.pathInfo.requestPath] = put(note, element, asked.target);
    panel.say(note.querySelector("[data-case]").textContent);
  }
  /* Where it is seen: in the open dialog, under the row, above the part that did not come. */
  function put(note, element, target) {
    var row = element.closest("tbody tr");
    if (panel.openDialog()) panel.openDialog().prepend(note);
    else if (row) {
      var line = document.createElement("tr");
      var cell = document.createElement("td");
      line.className = "grpr"; // J and K pass it by
      cell.colSpan = Array.prototype.reduce.call(row.cells, function (sum, c) { return sum + c.colSpan; }, 0);
      cell.append(note);
      note.classList.replace("mb-3", "f4");
      line.append(cell);
      line.addEventListener("click", function (event) { if (event.target.closest("[data-close]")) line.remove(); }, true);
      row.after(line);
      return line;
    } else if (target && target !== element && !target.matches("dialog, body")) target.before(note);
    else (element.closest(".ph, .bar, .ft") || element).after(note);
    return note;
  }
  document.addEventListener("htmx:responseError", function (event) { told(event, "answer"); });
  document.addEventListener("htmx:sendError", function (event) { told(event, "away"); });
  document.addEventListener("htmx:timeout", function (event) { told(event, "away"); });
})();
