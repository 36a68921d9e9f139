/* Somebody whose session ended finds his entries again after signing in: a form with data-keep={number of the account}
   is noted in this tab when it is sent. The page of sign-in (or one with data-entries-wait) shows that it was not
   taken; only then does the form's page fill it in. Any other page means an answer came: the note is dropped.
   Passwords and chosen files are not kept. The words stand in templates/parts/failed.html. */
(function () {
  "use strict";
  var panel = window.panel;
  var NAME = "entries", AN_HOUR = 3600 * 1000;

  function read() {
    try { return JSON.parse(sessionStorage.getItem(NAME)); } catch (e) { return null; }
  }
  function drop() {
    try { sessionStorage.removeItem(NAME); } catch (e) { /* private mode */ }
  }
  function note(kept) {
    try { sessionStorage.setItem(NAME, JSON.stringify(kept)); } catch (e) { drop(); } // no room: as without script
  }
  function fields(form) { // what somebody typed or chose, and the token by which a form is placed once
    return Array.prototype.filter.call(form.elements, function (e) {
      return e.name && !e.matches("button, [type=file], [type=password], [role=combobox], [data-picker-filter]") && (e.type !== "hidden" || e.name === "token");
    });
  }
  function keep(form) {
    var service = form.elements.service; // its fields are those of the service
    note({
      who: form.dataset.keep,
      path: new URL(form.action).pathname,
      query: service && service.value ? "?service=" + encodeURIComponent(service.value) : "",
      at: Date.now(),
      entries: fields(form).map(function (e) { return [e.name, e.value, !!e.checked]; })
    });
  }
  document.addEventListener("submit", function (event) {
    if (event.target.matches("form[data-keep]")) keep(event.target);
  });
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[data-keep-entries]");
    if (link) keep(document.querySelector("form[data-keep]"));
  });

  function fill(form, entries) {
    fields(form).forEach(function (e) {
      var choice = e.type === "checkbox" || e.type === "radio";
      var found = entries.find(function (entry) { return entry[0] === e.name && (!choice || entry[1] === e.value); });
      if (!found) return;
      if (choice) e.checked = found[2]; else e.value = found[1];
      if (e.type === "hidden") return;
      e.dispatchEvent(new Event("input", { bubbles: true }));
      if (e.matches("select, [type=checkbox], [type=radio]")) e.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }
  function back() {
    var kept = read();
    if (!kept) return;
    if (Date.now() - kept.at > AN_HOUR) { drop(); return; }
    var way = document.querySelector("[data-entries-wait]"); // signed in anew in another tab
    if (way || location.pathname.indexOf("/account/login") === 0) {
      if (way) { way.href = kept.path + kept.query; way.hidden = false; }
      kept.out = true;
      note(kept);
      return;
    }
    if (location.pathname.indexOf("/account/logout") !== 0 && location.pathname.indexOf("/account/") === 0) return; // a second step
    var form = document.querySelector("form[data-keep]");
    if (!kept.out || !form || new URL(form.action).pathname !== kept.path || form.dataset.keep !== kept.who) { drop(); return; }
    if (kept.query && location.search !== kept.query) { location.replace(kept.path + kept.query); return; }
    drop();
    fill(form, kept.entries);
    var words = document.getElementById("entries-words").content.firstElementChild.cloneNode(true);
    if (!form.querySelector("[type=file]")) words.querySelector("[data-file]").remove();
    document.getElementById("messages").append(words);
    panel.say(words.textContent.trim());
  }
  document.addEventListener("DOMContentLoaded", back); // after ordering.js has set up its form
})();
