/* The new-order form: the service picker (ARIA combobox with listbox), the parts that depend on the service,
   the live charge. Without this file the form works by plain posts (see orders/views/ordering.py). */
(function () {
  "use strict";
  var SEARCH_MS = 200, QUOTE_MS = 250;
  var form = document.querySelector("[data-order-form]");
  if (!form) return;
  var template = form.querySelector("template[data-picker-template]"); // without script the plain select stands here
  template.replaceWith(template.content);
  var find = form.querySelector("#find");
  var list = form.querySelector("#picker-list");
  var none = form.querySelector("#picker-none");
  var number = form.querySelector("#service-id");
  var picker = form.querySelector("[data-picker]");
  var change = form.querySelector("[data-picker-change]");
  var chosenText = find.value;

  /* ---- what failed is said where it was asked, with a button that asks again; nothing is ordered by asking ---- */
  var SLOW_MS = 250; // a quick answer shows no loading
  var GIVE_UP_MS = 20000; // a line that hangs is one that failed
  function limited(controller) {
    return setTimeout(function () { controller.late = true; controller.abort(); }, GIVE_UP_MS);
  }
  function dropped(error, controller) { return error.name === "AbortError" && !controller.late; }
  var askers = {}; // by the part that failed: how it is asked again
  function failed(what, error) {
    var note = form.querySelector("#" + what + "-failed");
    var out = error.message === "signed out";
    note.querySelector("[data-why]").hidden = out;
    note.querySelector("[data-out]").hidden = !out;
    note.querySelector("[data-ask-again]").hidden = out;
    note.hidden = false;
    if (what !== "search") unpriced(true);
    if (sendWhenKnown) note.scrollIntoView({ block: "center" }); // on a phone the button is far from it
    sendWhenKnown = null; // the note says that nothing was ordered
  }
  function mended(what, focus) {
    var note = form.querySelector("#" + what + "-failed");
    var pressed = note.contains(document.activeElement);
    note.hidden = true;
    if (pressed && focus) focus.focus();
  }
  function unpriced(yes) { // a charge of other entries must not stand beside these
    form.querySelector("#quote").classList.toggle("unpriced", yes);
    if (yes) panel.all("#quote .bigc, #bar-charge", form).forEach(function (e) { e.textContent = "–"; });
  }
  function whole(answer) {
    if (answer.redirected) throw new Error("signed out");
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.text();
  }
  form.addEventListener("click", function (event) {
    var button = event.target.closest("[data-ask-again]");
    if (button) askers[button.dataset.askAgain]();
  });
  window.addEventListener("online", function () {
    panel.all("[data-ask-again]", form).forEach(function (b) { if (!b.closest(".note").hidden) askers[b.dataset.askAgain](); });
  });

  function options() { return panel.all("li[role=option]", list); }

  /* ---- searching: the newest answer counts; Enter before it arrives takes its first row ---- */
  var searchTimer = 0, slowTimer = 0, searching = null, takeFirst = false;
  function quick() { clearTimeout(slowTimer); picker.classList.remove("slow"); list.removeAttribute("aria-busy"); }
  function search() {
    clearTimeout(searchTimer);
    searchTimer = 0;
    if (searching) searching.abort();
    var mine = searching = new AbortController();
    var asked = new URLSearchParams();
    var text = find.value === chosenText ? "" : find.value;
    asked.set("q", text);
    asked.set("category", form.querySelector("#category").value);
    panel.all("[data-picker-toggle][aria-pressed=true]", form).forEach(function (b) { asked.set(b.dataset.pickerToggle, "1"); });
    list.setAttribute("aria-busy", "true");
    clearTimeout(slowTimer);
    slowTimer = setTimeout(function () { picker.classList.add("slow"); }, SLOW_MS);
    var limit = limited(mine);
    fetch(form.dataset.servicesUrl + "?" + asked, { signal: mine.signal, headers: { "HX-Request": "true" } }).then(whole).then(function (html) {
      if (mine !== searching) return;
      searching = null;
      quick();
      mended("search", find);
      var box = document.createElement("template");
      box.innerHTML = html; // our own autoescaped partial, parsed in an inert template
      var counted = box.content.querySelector("#picker-count");
      form.querySelector("#picker-count").textContent = counted.textContent;
      counted.remove();
      list.replaceChildren(box.content);
      none.hidden = options().length > 0;
      open();
      if (text && options().length) activate(0);
      if (takeFirst) { takeFirst = false; if (options().length) take(options()[0]); }
      else if (text) panel.say(counted.textContent);
      if (sendWhenKnown && !waitingFor) send();
    }).catch(function (error) {
      if (dropped(error, mine) || mine !== searching) return;
      searching = null;
      takeFirst = false;
      quick();
      failed("search", error);
    }).then(function () { clearTimeout(limit); });
  }
  askers.search = search;
  function soon() { clearTimeout(searchTimer); searchTimer = setTimeout(search, SEARCH_MS); }
  function pending() { return !!(searchTimer || searching); }

  /* ---- the list ---- */
  function open() { list.hidden = false; find.setAttribute("aria-expanded", "true"); picker.classList.remove("chosen"); }
  function close() {
    list.hidden = none.hidden = true;
    find.setAttribute("aria-expanded", "false");
    find.removeAttribute("aria-activedescendant");
  }
  function active() { return options().findIndex(function (o) { return o.getAttribute("aria-selected") === "true"; }); }
  function activate(at) {
    options().forEach(function (option, index) { option.setAttribute("aria-selected", String(index === at)); });
    var option = options()[at];
    if (!option) return;
    find.setAttribute("aria-activedescendant", option.id);
    if (option.offsetTop < list.scrollTop || option.offsetTop + option.offsetHeight > list.scrollTop + list.clientHeight) option.scrollIntoView({ block: "nearest" });
  }
  function take(option) {
    number.value = option.dataset.value;
    chosenText = find.value = option.dataset.value + " · " + option.dataset.name;
    form.querySelector("#picker-count").textContent = "";
    picker.classList.add("chosen");
    change.hidden = false;
    close();
    details();
  }
  function again() { // back to choosing; what was chosen counts until another service is taken
    if (!list.hidden) return;
    search();
  }
  function leave() {
    if (pending()) { if (find.value !== chosenText) takeFirst = find.value.trim() !== ""; return; }
    if (find.value !== chosenText && find.value.trim()) {
      var rows = options();
      var exact = rows.filter(function (o) { return o.dataset.value === find.value.trim() || o.dataset.name.toLowerCase() === find.value.trim().toLowerCase(); });
      if (exact.length || rows.length === 1) { take(exact[0] || rows[0]); return; }
    }
    if (number.value) { find.value = chosenText; close(); picker.classList.add("chosen"); form.querySelector("#picker-count").textContent = ""; }
  }

  find.addEventListener("focus", function () { find.select(); });
  find.addEventListener("click", again);
  find.addEventListener("input", soon);
  find.addEventListener("blur", function () { setTimeout(function () { if (document.activeElement !== find) leave(); }, 120); });
  find.addEventListener("keydown", function (event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    var rows = options(), at = active();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) { again(); return; }
      if (rows.length) activate(event.key === "ArrowDown" ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0));
    } else if (event.key === "Enter") {
      event.preventDefault(); // never sends the form from here
      if (pending()) { takeFirst = true; if (searchTimer) search(); }
      else if (!list.hidden && rows.length) take(rows[at >= 0 ? at : 0]);
    } else if (event.key === "Escape" && !list.hidden && number.value) {
      event.preventDefault();
      event.stopPropagation();
      find.value = chosenText;
      close();
      picker.classList.add("chosen");
    }
  });
  list.addEventListener("mousedown", function (event) { event.preventDefault(); }); // the field keeps the focus
  list.addEventListener("click", function (event) {
    var option = event.target.closest("li[role=option]");
    if (option) take(option);
  });
  change.addEventListener("click", function () { find.value = ""; find.focus(); search(); });
  form.querySelector("[data-picker-filter]").addEventListener("change", function (event) { event.stopPropagation(); search(); });
  panel.all("[data-picker-toggle]", form).forEach(function (button) {
    button.addEventListener("click", function () {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      search();
    });
  });

  /* ---- parts that depend on the service; what was typed meanwhile is kept ---- */
  var waitingFor = 0; // answers that the charge depends on
  var asking = {}; // by target: a newer question drops the older one
  function ask(url, target, shown, before) {
    if (asking[target]) asking[target].abort();
    var mine = asking[target] = new AbortController();
    waitingFor += 1;
    var part = document.getElementById(target);
    var what = target === "quote" ? "quote" : "details";
    part.setAttribute("aria-busy", "true");
    var limit = limited(mine);
    fetch(url, { method: "POST", body: new FormData(form), signal: mine.signal, headers: { "HX-Request": "true" } }).then(whole).then(function (html) {
      if (mine !== asking[target]) return;
      if (what === "quote") unpriced(false);
      if (before) before();
      // our own autoescaped partial, from our own address
      window.htmx.swap(part, html, { swapStyle: "innerHTML", swapDelay: 0, settleDelay: 0 }, { eventInfo: { target: part, elt: part } });
      mended(what, what === "quote" ? form.querySelector("[data-place]") : part.querySelector("input, textarea, select"));
      if (shown) shown();
    }).catch(function (error) {
      if (dropped(error, mine) || mine !== asking[target]) return;
      priced = ""; // the same entries may be asked about again
      failed(what, error);
    }).then(function () {
      clearTimeout(limit);
      if (mine === asking[target]) {
        part.removeAttribute("aria-busy");
        if (what === "details") detailsDue = false;
      }
      waitingFor -= 1;
      if (!waitingFor && sendWhenKnown) send();
    });
  }
  var typed = {}; // by name, for as long as the page stands: the way back to a service finds its list again
  var detailsDue = false; // the parts of another service are on their way; it is priced with them
  function details() {
    detailsDue = true;
    if (asking.quote) asking.quote.abort();
    clearTimeout(quoteTimer);
    quoteTimer = 0;
    var focus = "";
    ask(form.dataset.detailsUrl, "order-details", function () {
      detailsDue = false;
      panel.all("#order-details [name]:not([type=hidden])").forEach(function (e) {
        if (e.name in typed) { if (e.type === "checkbox") e.checked = typed[e.name]; else e.value = typed[e.name]; }
        if (e.matches("textarea[data-lines]")) panel.countLines(e);
        if (focus && e.name === focus) e.focus();
      });
      priced = "";
      conditions();
      price();
    }, function () {
      panel.all("#order-details [name]:not([type=hidden])").forEach(function (e) { typed[e.name] = e.type === "checkbox" ? e.checked : e.value; });
      var active = document.activeElement;
      focus = active && active.closest("#order-details") ? active.name : "";
    });
  }

  /* ---- fields that are only asked for with one choice of another ---- */
  function conditions() {
    panel.all("[data-only-if]", form).forEach(function (part) {
      var wanted = part.dataset.onlyIf.split("=");
      part.hidden = form.elements[wanted[0]].value !== wanted[1];
    });
  }
  form.addEventListener("change", conditions);

  /* ---- the charge ---- */
  var quoteTimer = 0, priced = "";
  function key() {
    var entries = [];
    new FormData(form).forEach(function (value, name) {
      if (["csrfmiddlewaretoken", "token", "find", "category", "reference", "shown_charge", "shown_for"].indexOf(name) < 0) entries.push(name + "=" + value);
    });
    return entries.join("&");
  }
  function price() {
    clearTimeout(quoteTimer);
    quoteTimer = 0;
    if (!number.value || detailsDue || key() === priced) return;
    priced = key();
    ask(form.dataset.quoteUrl, "quote");
  }
  askers.quote = price;
  askers.details = details;
  conditions();
  function priceSoon() { clearTimeout(quoteTimer); quoteTimer = setTimeout(price, QUOTE_MS); }
  form.addEventListener("input", function (event) { if (event.target.closest("#order-details") && event.target.name !== "reference") priceSoon(); });
  form.addEventListener("change", function (event) { if (event.target.closest("#order-details") && event.target.name !== "reference") priceSoon(); });

  /* ---- sending: never before the charge of exactly these entries has been shown, nor for a service that the box does
          not name when it is sent ---- */
  var sendWhenKnown = null;
  var lookFirst = form.querySelector("#look-first");
  function look() {
    sendWhenKnown = null;
    lookFirst.querySelector("span").textContent = lookFirst.dataset.words;
    lookFirst.hidden = false;
    lookFirst.scrollIntoView({ block: "nearest" });
    panel.say(lookFirst.dataset.words);
  }
  form.addEventListener("submit", function (event) {
    var other = find.value !== chosenText; // words for another service than the one that is chosen
    lookFirst.hidden = true;
    if (pending() && other) { takeFirst = true; if (searchTimer) search(); }
    else if (other) leave();
    if (quoteTimer) price();
    if (other && (number.value || pending() || waitingFor)) {
      event.preventDefault();
      look();
      return;
    }
    if (waitingFor || takeFirst) {
      event.preventDefault();
      sendWhenKnown = { button: event.submitter, until: Date.now() + 5000 };
    }
  });
  function send() {
    var how = sendWhenKnown;
    sendWhenKnown = null;
    if (Date.now() > how.until) { look(); return; } // too long ago to be what somebody expects now
    setTimeout(function () { form.requestSubmit(how.button && how.button.isConnected ? how.button : undefined); }, 0);
  }
})();
