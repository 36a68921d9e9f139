/* The review queue beside its pane (from 1200 px): the row that gets the focus is shown in the pane; below that a
   row's link opens its own page. Countdowns of what can still be undone, or not yet be decided.
   Saved replies. */
(function () {
  "use strict";
  var panel = window.panel;
  var wide = window.matchMedia("(min-width: 75rem)");
  var due = 0;

  function pane() { var p = document.getElementById("pane"); return p && wide.matches ? p : null; }
  function show(link) {
    var row = link.closest("tr");
    panel.all("[data-review] tr.cur").forEach(function (r) { r.classList.remove("cur"); r.removeAttribute("aria-current"); });
    row.classList.add("cur");
    row.setAttribute("aria-current", "true");
    clearTimeout(due);
    due = setTimeout(function () { // running through the rows with J loads only the one it stops at
      var open = document.getElementById("pane-looking");
      if (open && "request-" + open.value === row.id) return;
      // the row's own link, answered by our autoescaped partial
      window.htmx.ajax("GET", link.href, { target: "#pane", swap: "innerHTML" });
    }, 90);
  }
  document.addEventListener("focusin", function (event) {
    if (pane() && event.target.matches("[data-review] a[data-open]")) show(event.target);
  });
  document.addEventListener("click", function (event) {
    var target = event.target;
    if (!pane() || !target.closest || !target.closest("[data-review] tbody") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    var link = target.closest("a[data-open]") || (!target.closest("a,button,input,label,td.pick") && target.closest("tr").querySelector("a[data-open]"));
    if (!link) return;
    event.preventDefault();
    link.focus({ preventScroll: true });
    show(link);
  });

  /* A summary with data-opens puts the cursor into its field. */
  document.addEventListener("toggle", function (event) {
    var summary = event.target.querySelector && event.target.querySelector("summary[data-opens]");
    if (summary && event.target.open) document.querySelector(summary.dataset.opens).focus();
  }, true);

  /* select[data-reply="#id"]: the chosen saved reply goes into the field, after what stands there. */
  document.addEventListener("change", function (event) {
    var select = event.target;
    if (!select.matches("select[data-reply]") || !select.value) return;
    var field = document.querySelector(select.dataset.reply);
    field.value = (field.value.trim() ? field.value.trim() + " " : "") + select.value;
    select.selectedIndex = 0;
    field.focus();
  });

  /* After a decision the next request is at hand: the keys J, K, A and R go on from its row. */
  document.addEventListener("DOMContentLoaded", function () {
    var row = pane() && document.querySelector("[data-review] tr.cur a[data-open]");
    if (row && /[?&](at|after)=/.test(location.search) && !document.querySelector("[data-focus]")) {
      row.focus({ preventScroll: true });
      row.closest("tr").scrollIntoView({ block: "nearest" });
    }
    tick();
  });

  /* Esc leaves a field of the pane for its row, what was typed stays: J, K and the other keys go on from there. */
  document.addEventListener("keydown", function (event) {
    var row = event.key === "Escape" && event.target.matches("#pane textarea") && document.querySelector("[data-review] tr.cur a[data-open]");
    if (row) row.focus({ preventScroll: true });
  });

  /* J on the last row opens the next page, K on the first one the page before, whose last row it shows. Before rows.js,
     which would stay where it is. */
  document.addEventListener("keydown", function (event) {
    var key = event.key.toLowerCase();
    if ((key !== "j" && key !== "k") || event.ctrlKey || event.metaKey || event.altKey || document.body.dataset.keys === "off" || panel.inField() || panel.openDialog()) return;
    var row = document.querySelector("[data-review] tr.cur");
    var link = row && !row[key === "j" ? "nextElementSibling" : "previousElementSibling"] && document.querySelector("[data-review] a[rel=" + (key === "j" ? "next" : "prev") + "]");
    if (!link) return;
    event.preventDefault();
    link.click();
  }, true);

  /* A page that loads itself again keeps the focus in its row. */
  function again() {
    var row = document.activeElement && document.activeElement.closest("tr[id]");
    if (row) sessionStorage.setItem("row", row.id);
    location.reload();
  }
  document.addEventListener("DOMContentLoaded", function () {
    var row = document.getElementById(sessionStorage.getItem("row"));
    sessionStorage.removeItem("row");
    var link = row && row.querySelector("a[data-open]");
    if (!link) return;
    row.classList.add("cur");
    row.setAttribute("aria-current", "true");
    link.focus({ preventScroll: true });
  });

  /* data-until: seconds left in [data-left]; data-then="reload" opens what was closed until then. Where this clock is
     ahead of the server's, the page is closed still: it asks again every few seconds, not all the time. */
  function tick() {
    panel.all("[data-until]").forEach(function (element) {
      var left = Math.ceil((new Date(element.dataset.until) - Date.now()) / 1000);
      var shown = element.querySelector("[data-left]");
      if (shown) shown.textContent = left > 90 ? Math.ceil(left / 60) + " min" : Math.max(left, 0) + " s";
      if (left > 0) return;
      if (element.dataset.then === "reload") {
        if (performance.now() > 4000 && !panel.inField() && !panel.openDialog()) { element.removeAttribute("data-until"); again(); }
      } else {
        var box = element.closest(".undo");
        element.remove();
        if (box && !box.querySelector("[data-until]")) box.remove();
      }
    });
  }
  setInterval(tick, 1000);
})();
