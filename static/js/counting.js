/* While a form with data-busy is on its way: how far the server is, asked of data-counts={address} in its part.
   The form is sent as always and its answer replaces the page; this only reads, and shows what the server has counted.
   data-count-words has the sentence of each step as data-{step}, with {done} and {of}. */
(function () {
  "use strict";
  var EVERY = 250;
  var timer = 0;
  function stop() { clearTimeout(timer); timer = 0; }
  function ask(part) {
    timer = setTimeout(function () {
      fetch(part.dataset.counts, { headers: { Accept: "application/json" } })
        .then(function (answer) { return answer.status === 200 ? answer.json() : null; })
        .then(function (far) { if (far) show(part, far); })
        .catch(function () {}) // no figure then; the form is on its way all the same
        .then(function () { if (timer) ask(part); });
    }, EVERY);
  }
  function show(part, far) {
    var bar = part.querySelector("progress");
    var words = part.querySelector("[data-count-words]");
    var number = function (n) { return n.toLocaleString(document.documentElement.lang); };
    bar.max = far.of;
    bar.value = far.done;
    words.textContent = (words.dataset[far.step] || "").replace("{done}", number(far.done)).replace("{of}", number(far.of));
    words.hidden = false;
  }
  document.addEventListener("submit", function (event) {
    var part = event.target.dataset.busy && document.querySelector(event.target.dataset.busy);
    if (!part || !part.dataset.counts || timer) return;
    ask(part);
  });
  window.addEventListener("pageshow", function () { // also when the page comes back by the Back button
    stop();
    document.querySelectorAll("[data-counts]").forEach(function (part) {
      part.querySelector("progress").removeAttribute("value");
      part.querySelector("[data-count-words]").hidden = true;
    });
  });
})();
