/* Behaviour of the shell, all by data attributes so that pages carry no script (CSP: script-src 'self').
   Everything here is an addition: without it forms post, links lead somewhere, menus and the sidebar still open.
   The attributes are listed in docs/pages.md. */
(function () {
  "use strict";

  var FIELD = "input:not([type=checkbox]):not([type=radio]):not([type=button]):not([type=submit]), textarea, select, [contenteditable]";

  function all(selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); }
  function inField() { var e = document.activeElement; return !!e && e !== document.body && e.matches(FIELD); }
  function openDialog() { return document.querySelector("dialog[open]"); }
  function say(text) {
    var region = document.getElementById("say");
    if (region) { region.textContent = ""; setTimeout(function () { region.textContent = text; }, 30); }
  }
  window.panel = { all: all, inField: inField, openDialog: openDialog, say: say, countLines: countLines };

  /* ---- clicks ---- */
  document.addEventListener("click", function (event) {
    var target = event.target.closest("[data-dialog],[data-dialog-close],[data-copy],[data-copy-from],[data-close],[data-show-password],[data-theme-set],[data-fill],[data-dedupe],[data-load],[data-retry]");
    if (target) {
      var set = target.dataset;
      if ("dialog" in set) { event.preventDefault(); show(document.querySelector(set.dialog), target); }
      else if ("dialogClose" in set) { event.preventDefault(); target.closest("dialog").close(); }
      else if ("copy" in set || "copyFrom" in set) { copy(target); }
      else if ("close" in set) {
        target.closest(".note").remove();
        if (document.activeElement === document.body) document.getElementById("main").focus({ preventScroll: true });
      }
      else if ("showPassword" in set) { showPassword(target); }
      else if ("themeSet" in set) { event.preventDefault(); theme(target); }
      else if ("fill" in set) { fill(target); }
      else if ("dedupe" in set) { dedupe(document.querySelector(set.dedupe)); }
      else if ("load" in set) { load(document.querySelector(set.load), set.loadRefused); }
      else if ("retry" in set) { tick(true); }
    }
    all("details.menu[open]").forEach(function (menu) { if (!menu.contains(event.target)) menu.open = false; });
  });

  /* ---- what is cut off is told whole under the pointer ---- */
  document.addEventListener("mouseover", function (event) {
    var cut = event.target.closest && event.target.closest(".trunc");
    if (cut && !cut.title && cut.scrollWidth > cut.clientWidth) cut.title = cut.textContent.trim();
  });

  /* ---- dialogs: the safe button has autofocus in the markup; focus returns to the opener ---- */
  function show(dialog, opener) {
    if (!dialog) return;
    dialog.addEventListener("close", function () { if (opener && opener.isConnected) opener.focus(); }, { once: true });
    dialog.showModal();
  }
  document.addEventListener("click", function (event) {
    if (event.target.matches && event.target.matches("dialog.dlg")) { // the backdrop belongs to the dialog element
      var box = event.target.getBoundingClientRect();
      if (event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) event.target.close();
    }
  });

  /* ---- copy, fill, password, theme ---- */
  function copy(button) {
    var source = button.dataset.copyFrom ? document.querySelector(button.dataset.copyFrom) : null;
    var text = source ? ("value" in source ? source.value : source.textContent.trim()) : button.dataset.copy;
    var done = function () {
      var label = button.querySelector("[data-label]");
      var word = button.dataset.copied || "Copied";
      say(word);
      if (!label) return;
      var before = label.textContent;
      label.textContent = word;
      setTimeout(function () { label.textContent = before; }, 2000);
    };
    if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(text).then(done, function () { fallbackCopy(text); done(); }); }
    else { fallbackCopy(text); done(); }
  }
  function fallbackCopy(text) { // plain http on a private address has no clipboard API
    var area = document.createElement("textarea");
    area.value = text;
    area.className = "vh";
    (openDialog() || document.body).appendChild(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  function fill(button) {
    var field = document.querySelector(button.dataset.fill);
    field.value = button.dataset.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
    field.focus();
  }
  function showPassword(button) {
    var field = button.parentElement.querySelector("input");
    var shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!shown));
  }
  function theme(button) {
    window.setTheme(button.dataset.themeSet);
    markTheme();
    var form = button.form;
    if (form && document.documentElement.hasAttribute("data-theme")) { // signed in: keep it with the account
      var body = new FormData(form);
      body.set("theme", button.dataset.themeSet);
      fetch(form.action, { method: "POST", body: body, headers: { "X-Requested-With": "fetch" } });
    }
    var menu = button.closest("details.menu");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  }
  function markTheme() {
    var choice = document.documentElement.getAttribute("data-theme-choice") || "";
    all("[data-theme-set]").forEach(function (b) { b.setAttribute("aria-pressed", String(b.dataset.themeSet === choice)); });
  }

  /* ---- lines of a textarea: what counts is non-empty lines, as the server counts them ---- */
  function countLines(area) {
    var mark = document.querySelector('[data-lines-for="' + area.id + '"]');
    if (!mark) return;
    var lines = area.value.split(/\r?\n/);
    if (lines[lines.length - 1] === "") lines.pop();
    var full = lines.filter(function (l) { return l.trim(); }).length;
    var empty = lines.length - full;
    var text = (full === 1 ? mark.dataset.one : mark.dataset.many).replace("{n}", full.toLocaleString(document.documentElement.lang));
    if (empty) text += ", " + mark.dataset.empty.replace("{n}", empty);
    mark.textContent = text;
  }
  function dedupe(area) {
    var seen = new Set();
    var kept = area.value.split(/\r?\n/).filter(function (line) {
      var key = line.trim();
      if (!key || seen.has(key)) return false;
      seen.add(key);
      return true;
    });
    area.focus();
    area.select();
    document.execCommand("insertText", false, kept.join("\n")); // deprecated, and the only way that Ctrl+Z undoes
  }
  function load(area, refused) { // a text file's lines, after what stands there; the file itself is not sent
    var chooser = document.createElement("input");
    chooser.type = "file";
    chooser.accept = ".txt,.csv,text/plain";
    chooser.addEventListener("change", function () {
      chooser.files[0].arrayBuffer().then(function (bytes) {
        var text = plain(bytes);
        var mark = document.querySelector('[data-lines-for="' + area.id + '"]');
        if (text === null) { if (mark) mark.textContent = refused; say(refused); return; }
        area.focus();
        area.setSelectionRange(area.value.length, area.value.length);
        var joint = area.value && !area.value.endsWith("\n") ? "\n" : "";
        document.execCommand("insertText", false, joint + text.replace(/\r\n?/g, "\n").replace(/\n+$/, "")); // undone by Ctrl+Z, as above
        if (mark) say(mark.textContent);
      });
    });
    chooser.click();
  }
  function plain(bytes) { // null: no text. Windows writes UTF-16 and its own 8-bit set still
    var first = new Uint8Array(bytes.slice(0, 2));
    var wide = first[0] === 255 && first[1] === 254 ? "utf-16le" : first[0] === 254 && first[1] === 255 ? "utf-16be" : "";
    var text;
    try { text = new TextDecoder(wide || "utf-8", { fatal: true }).decode(bytes); } catch (e) { text = new TextDecoder("windows-1252").decode(bytes); }
    return text.indexOf("\0") >= 0 ? null : text;
  }
  document.addEventListener("input", function (event) { // what was wrong is being mended; the server looks again
    var field = event.target;
    if (!field.matches(".is-bad")) return;
    field.classList.remove("is-bad");
    field.removeAttribute("aria-invalid");
    all("#" + CSS.escape(field.id) + "_error").forEach(function (words) { words.hidden = true; });
  });
  document.addEventListener("input", function (event) {
    if (event.target.matches("textarea[data-lines]")) countLines(event.target);
  });

  /* ---- forms; data-busy="#part" shows what the pressed button says is going on ---- */
  function busy(form, button) {
    var part = form.dataset.busy && document.querySelector(form.dataset.busy);
    if (!part || !button || !button.dataset.busySay) return;
    part.hidden = false;
    part.querySelector("[data-busy-words]").textContent = button.dataset.busySay;
  }
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post") || form.hasAttribute("data-again")) return;
    if (event.submitter && event.submitter.hasAttribute("data-download")) return; // the page stays, and can be worked with
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    buttons(form).forEach(function (b) { b.setAttribute("aria-disabled", "true"); });
    busy(form, event.submitter);
    setTimeout(function () { release(form); }, 8000); // a download or a lost connection leaves the page standing
  });
  function buttons(form) { return all("button", document).filter(function (b) { return b.form === form && b.type === "submit"; }); }
  function release(form) {
    delete form.dataset.sent;
    buttons(form).forEach(function (b) { b.removeAttribute("aria-disabled"); });
  }
  window.addEventListener("pageshow", function () { // also when the page comes back by the Back button
    all("form[data-sent]").forEach(release);
    all("form[data-busy]").forEach(function (form) { document.querySelector(form.dataset.busy).hidden = true; });
    all("select[data-submit]").forEach(function (select) { delete select.dataset.turned; });
  });
  /* A choice is sent at once; one that is made by keys, where every arrow is a choice, by Enter or when the field is left. */
  function choiceOf(event) { return event.target.matches && event.target.matches("select[data-submit]") && event.target; }
  document.addEventListener("pointerdown", function (event) {
    var select = choiceOf(event);
    if (select) delete select.dataset.keys;
  });
  document.addEventListener("keydown", function (event) {
    var select = choiceOf(event);
    if (!select || event.key === "Tab") return;
    if (event.key === "Enter" && select.dataset.turned) { event.preventDefault(); select.form.requestSubmit(); }
    else select.dataset.keys = "1";
  });
  document.addEventListener("focusout", function (event) {
    var select = choiceOf(event);
    if (select && select.dataset.turned) select.form.requestSubmit();
  });
  document.addEventListener("change", function (event) {
    if (!event.target.matches("[data-submit]")) return;
    if (event.target.dataset.keys) event.target.dataset.turned = "1";
    else event.target.form.requestSubmit();
  });

  /* ---- live refresh: `<div hx-get=… hx-trigger="live" hx-swap="morph" data-live="15">` ---- */
  var failures = 0;
  var due = {}; // by id, because a swap may replace the element
  var lastGood = Date.now();
  function tick(now) {
    if (document.hidden || (inField() && !now) || openDialog()) return;
    all("[data-live]").forEach(function (element) {
      var every = Number(element.dataset.live) * 1000;
      var key = element.id || element.getAttribute("hx-get");
      if (!due[key] && !now) { due[key] = Date.now() + every; return; }
      if (!now && Date.now() < due[key] + (failures >= 2 ? every : 0)) return; // after two failures ask half as often
      due[key] = Date.now() + every;
      window.htmx.trigger(element, "live");
    });
  }
  function write(element, text) { if (element.textContent !== text) element.textContent = text; } // or it is spoken anew each second
  function hide(element, yes) { if (element.hidden !== yes) element.hidden = yes; }
  function mark() {
    all("[data-live-mark]").forEach(function (element) {
      var paused = failures >= 2;
      hide(element.querySelector("[data-live-on]"), paused);
      hide(element.querySelector("[data-live-off]"), !paused);
      hide(element.querySelector("[data-live-offline]"), navigator.onLine);
      var age = element.querySelector("[data-live-age]");
      if (age) write(age, age.dataset.liveAge.replace("{n}", String(Math.round((Date.now() - lastGood) / 1000))));
      var ago = element.querySelector("[data-live-ago]");
      if (ago) write(ago, String(Math.max(1, Math.round((Date.now() - lastGood) / 60000))));
    });
  }
  if (document.querySelector("[data-live]")) setInterval(function () { tick(); if (!document.hidden) mark(); }, 1000);
  document.addEventListener("visibilitychange", function () { if (!document.hidden) tick(); });
  window.addEventListener("online", function () { if (failures) tick(true); });
  window.addEventListener("offline", mark);
  document.addEventListener("htmx:afterRequest", function (event) {
    if (!event.target.hasAttribute || !event.target.hasAttribute("data-live")) return;
    if (event.detail.successful) { failures = 0; lastGood = Date.now(); } else { failures += 1; }
    mark();
  });

  /* ---- signed out meanwhile: a part is answered with the page of sign-in, which leads back to this page ---- */
  document.addEventListener("htmx:beforeSwap", function (event) {
    var came = event.detail.xhr.responseURL;
    if (!came || new URL(came).pathname.indexOf("/account/") !== 0 || event.detail.pathInfo.requestPath.indexOf("/account/") === 0) return;
    event.detail.shouldSwap = false;
    location.reload();
  });

  /* ---- keys ---- */
  var prefix = 0;
  function formOf(element) { // what Ctrl+Enter sends: a menu and the bar of bulk actions are no forms to fill in
    var form = element && element.form;
    if (form && !element.closest(".menu") && !element.hasAttribute("hx-post") && !form.matches("[role=toolbar]")) return form;
    return document.querySelector("form[data-ctrl-enter]");
  }
  function pressed(form) { // by its name the server knows what was asked for
    var own = buttons(form).filter(function (b) { return !b.disabled && b.offsetParent; });
    return own.find(function (b) { return b === document.activeElement; })
      || own.find(function (b) { return b.hasAttribute("data-ctrl-enter"); })
      || own.find(function (b) { return b.matches(".btn-primary"); }) || own[0];
  }
  document.addEventListener("keydown", function (event) {
    if (event.isComposing || event.defaultPrevented) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      var form = formOf(document.activeElement);
      if (form && !openDialog()) { event.preventDefault(); form.requestSubmit(pressed(form)); }
      return;
    }
    if (event.key === "Escape") {
      var menu = document.querySelector("details.menu[open]");
      if (menu) { event.preventDefault(); menu.open = false; menu.querySelector("summary").focus(); } // and nothing else is let go of
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || inField() || openDialog() || document.body.dataset.keys === "off") return;
    if (prefix && Date.now() - prefix < 1500) {
      prefix = 0;
      var link = document.querySelector('a[data-go="' + CSS.escape(event.key) + '"]');
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "g") { prefix = Date.now(); return; }
    if (event.key === "/") {
      var search = all("[data-search], [data-jump]").find(function (e) { return e.offsetParent; });
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    if (event.key === "?") { show(document.getElementById("keys"), document.activeElement); return; }
    var hot = all('[data-hotkey="' + CSS.escape(event.key) + '"]').find(function (e) { return e.offsetParent && !e.disabled; });
    if (hot) { event.preventDefault(); if (hot.matches(FIELD)) hot.focus(); else hot.click(); }
  });

  /* ---- what a fresh page, or a swapped part of one, needs ---- */
  function ready(root) {
    var within = function (selector) { return (root.matches && root.matches(selector) ? [root] : []).concat(all(selector, root)); };
    within("textarea[data-lines]").forEach(countLines);
    within("[data-needs-script]").forEach(function (e) { e.hidden = false; });
    var summary = within("[data-focus]")[0];
    if (summary) summary.focus();
  }
  function showWhereOneIs(tabs) { // on a phone the row of tabs is wider than the window
    var here = tabs.querySelector("[aria-current]");
    if (!here || tabs.scrollWidth <= tabs.clientWidth) return;
    var row = tabs.getBoundingClientRect(), tab = here.getBoundingClientRect();
    tabs.scrollLeft += tab.left + tab.width / 2 - row.left - row.width / 2; // in either direction of writing
  }
  function comeInAgain(words) {
    var parts = Array.prototype.slice.call(words.childNodes);
    words.style.minHeight = words.offsetHeight + "px"; // nothing moves meanwhile
    words.replaceChildren();
    setTimeout(function () { words.replaceChildren.apply(words, parts); words.style.minHeight = ""; }, 40);
  }
  document.addEventListener("htmx:afterSwap", function (event) { // comes from each element that is new or was changed
    if (event.target.nodeType === Node.ELEMENT_NODE) ready(event.target);
  });
  document.addEventListener("DOMContentLoaded", function () {
    ready(document);
    all("nav.tabs").forEach(showWhereOneIs);
    markTheme();
    // what the page came with is no change of it, and many screen readers pass it over: it comes in once more
    setTimeout(function () { all("#messages .note[role=status] > .grow").forEach(comeInAgain); }, 300);
  });
  if (window.Idiomorph) { // what a reader has opened stays open when a live part is brought up to date
    window.Idiomorph.defaults.callbacks.beforeAttributeUpdated = function (name, element, kind) {
      return !(name === "open" && kind === "remove" && element.localName === "details");
    };
  }
})();
