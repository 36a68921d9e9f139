/* Rows of an index table: J/K move, X selects, Shift+X selects the range, Enter opens; checkboxes drive the bulk bar.
   `.tbl[data-rows]` has the keys; a `[data-bulk]` ancestor has the bar. The attributes are listed in docs/pages.md. */
(function () {
  "use strict";
  var panel = window.panel;
  var anchor = null; // the row a range starts from
  var last = -1; // where the current row was, should a live refresh take it away

  function rows() {
    var table = document.querySelector(".tbl[data-rows]");
    return table ? panel.all("tbody tr:not(.grpr)", table).filter(function (r) { return r.offsetParent; }) : [];
  }
  function current(list) { return list.findIndex(function (r) { return r.classList.contains("cur"); }); }
  function move(list, to) {
    list.forEach(function (row, index) {
      row.classList.toggle("cur", index === to);
      if (index === to) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
    });
    var open = opener(list[to]);
    if (open) open.focus({ preventScroll: true });
    list[to].scrollIntoView({ block: "nearest" });
  }
  function opener(row) { return row.querySelector("a[data-open]") || row.querySelector("a"); }
  function box(row) { return row.querySelector("input[data-pick]"); }

  document.addEventListener("keydown", function (event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || panel.inField() || panel.openDialog()) return;
    if (event.key === "Escape" && document.querySelector(":popover-open")) return; // it closes the menu
    if (event.key === "Escape") { panel.all("[data-bulk].on").forEach(clear); return; }
    if (document.body.dataset.keys === "off") return;
    var list = rows();
    if (!list.length) return;
    var at = current(list);
    var key = event.key.toLowerCase();
    if (key === "j" || key === "k") {
      event.preventDefault();
      if (at < 0 && last >= 0) at = key === "j" ? last - 1 : last;
      last = -1;
      move(list, key === "j" ? Math.min(at + 1, list.length - 1) : Math.max(at - 1, 0));
    } else if (key === "x" && at >= 0 && box(list[at])) {
      event.preventDefault();
      if (event.shiftKey) range(list, at); else box(list[at]).checked = !box(list[at]).checked;
      anchor = list[at];
      sync(list[at].closest("[data-bulk]"));
    } else if (key === "enter" && at >= 0 && !event.target.closest("a,button,summary,input")) {
      opener(list[at]).click();
    }
  });
  document.addEventListener("htmx:beforeSwap", function () {
    var at = current(rows());
    if (at >= 0) last = at;
  });
  function range(list, to) {
    var from = Math.max(list.indexOf(anchor), 0);
    for (var i = Math.min(from, to); i <= Math.max(from, to); i += 1) if (box(list[i])) box(list[i]).checked = true;
  }

  /* ---- the bulk bar ---- */
  function sync(bulk) {
    if (!bulk) return;
    var boxes = panel.all("input[data-pick]", bulk);
    var picked = boxes.filter(function (b) { return b.checked; });
    var whole = bulk.querySelector("input[data-pick-all]");
    var page = boxes.length > 0 && picked.length === boxes.length;
    boxes.forEach(function (b) { b.closest("tr").classList.toggle("sel", b.checked); });
    if (whole) { whole.checked = page; whole.indeterminate = picked.length > 0 && !page; }
    bulk.classList.toggle("on", picked.length > 0);
    if (!page) panel.all("input[name=all_matching]", bulk).forEach(function (e) { e.value = ""; });
    var match = bulk.querySelector("[data-pick-match]");
    var every = !!bulk.querySelector("input[name=all_matching][value='1']"); // also those on other pages, which nobody has counted
    panel.all("[data-picked]", bulk).forEach(function (e) { e.textContent = every ? match.dataset.pickMatch : picked.length.toLocaleString(document.documentElement.lang); });
    panel.all("[data-can-count]", bulk).forEach(function (e) { e.textContent = can(picked, e.dataset.canCount) + (every ? "+" : ""); });
    panel.all("[data-can-button]", bulk).forEach(function (e) { e.disabled = !every && !can(picked, e.dataset.canButton); });
    panel.all("[data-copy-picked]", bulk).forEach(function (e) { e.hidden = every; }); // this page has only its own numbers; Export has all
    if (match) match.hidden = !page || every;
  }
  function can(picked, what) {
    return picked.filter(function (b) { return (" " + (b.dataset.can || "") + " ").indexOf(" " + what + " ") >= 0; }).length;
  }
  function clear(bulk) {
    panel.all("input[data-pick]", bulk).forEach(function (b) { b.checked = false; });
    panel.all(".picking", bulk).forEach(function (e) { e.classList.remove("picking"); });
    sync(bulk);
  }
  document.addEventListener("change", function (event) {
    var bulk = event.target.closest("[data-bulk]");
    if (event.target.matches("input[data-pick-all]")) {
      panel.all("input[data-pick]", bulk).forEach(function (b) { b.checked = event.target.checked; });
      sync(bulk);
    } else if (event.target.matches("input[data-pick]")) {
      sync(bulk);
    }
  });
  document.addEventListener("click", function (event) {
    var target = event.target.closest("[data-pick-clear],[data-pick-mode],[data-pick-match],[data-copy-picked],input[data-pick]");
    if (!target) return;
    var bulk = target.closest("[data-bulk]");
    if (target.matches("input[data-pick]")) {
      var list = rows();
      if (event.shiftKey && anchor) range(list, list.indexOf(target.closest("tr")));
      anchor = target.closest("tr");
      sync(bulk);
    } else if ("pickClear" in target.dataset) {
      clear(bulk);
    } else if ("pickMode" in target.dataset) { // cards: show the checkboxes
      target.setAttribute("aria-pressed", String(bulk.querySelector(".tbl").classList.toggle("picking")));
    } else if ("pickMatch" in target.dataset) {
      panel.all("input[name=all_matching]", bulk).forEach(function (e) { e.value = "1"; });
      sync(bulk);
      panel.all("button[data-pick-clear]", bulk).forEach(function (e) { e.focus(); }); // the pressed button is gone; this one takes it back
      panel.say(bulk.querySelector("[data-picked]").parentElement.textContent);
    } else {
      var ids = panel.all("input[data-pick]", bulk).filter(function (b) { return b.checked; }).map(function (b) { return b.value; });
      target.dataset.copy = ids.join(",");
    }
  }, true);
  document.addEventListener("DOMContentLoaded", function () { panel.all("[data-bulk]").forEach(sync); });

  /* A live swap brings fresh rows: what was picked stays picked, the current row stays current, by id. */
  var kept = null;
  document.addEventListener("htmx:beforeSwap", function () {
    var row = document.querySelector(".tbl[data-rows] tr.cur");
    kept = {
      picked: panel.all("input[data-pick]:checked").map(function (b) { return b.value; }),
      anchor: anchor && anchor.id,
      current: row && row.id,
      picking: !!document.querySelector(".tbl.picking")
    };
  });
  document.addEventListener("htmx:afterSwap", function () {
    if (kept) {
      panel.all("input[data-pick]").forEach(function (b) { b.checked = kept.picked.indexOf(b.value) >= 0; });
      if (kept.picking) panel.all(".tbl[data-rows]").forEach(function (t) { t.classList.add("picking"); });
      var row = kept.current && document.getElementById(kept.current);
      if (row) { row.classList.add("cur"); row.setAttribute("aria-current", "true"); }
      if (kept.anchor) anchor = document.getElementById(kept.anchor);
      kept = null;
    }
    panel.all("[data-bulk]").forEach(sync);
  });

  /* A live swap is told as one sum, not row by row: data-updated-one and data-updated on the live part, {n} rows that
     read differently now. [data-say-changed] outside of rows is said itself, when it reads differently. */
  var before = null;
  function reads(element) { // its parts as words of their own
    return Array.prototype.map.call(element.children, function (e) { return e.textContent; }).join(" ").replace(/\s+/g, " ").trim();
  }
  function shown() {
    var texts = {};
    panel.all("[data-updated] tr[id], [data-say-changed]").forEach(function (e) { texts[e.id] = reads(e); });
    return texts;
  }
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.shouldSwap && event.detail.target.matches("[data-live]")) before = shown();
  });
  document.addEventListener("htmx:afterSwap", function () {
    if (!before) return;
    var old = before, now = shown();
    before = null;
    var changed = Object.keys(now).filter(function (id) { return id in old && old[id] !== now[id]; });
    var rows = changed.filter(function (id) { return document.getElementById(id).matches("tr"); });
    var part = document.querySelector("[data-updated]");
    var words = changed.filter(function (id) { return rows.indexOf(id) < 0; }).map(function (id) { return now[id]; });
    if (rows.length) words.push((rows.length === 1 ? part.dataset.updatedOne : part.dataset.updated).replace("{n}", rows.length.toLocaleString(document.documentElement.lang)));
    if (words.length) panel.say(words.join(" "));
  });
})();
