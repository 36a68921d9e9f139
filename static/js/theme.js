/* Runs before the first paint, so that a dark page never flashes white.
   <html data-theme> is the choice kept with the account ("" means system); without the attribute nobody is signed in
   and the choice kept in this browser counts. */
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try { return localStorage.getItem("theme") || ""; } catch (e) { return ""; }
  }
  function apply() {
    var choice = root.hasAttribute("data-theme") ? root.getAttribute("data-theme") : stored();
    root.setAttribute("data-bs-theme", choice || (dark.matches ? "dark" : "light"));
    root.setAttribute("data-theme-choice", choice);
  }
  window.setTheme = function (choice) {
    if (root.hasAttribute("data-theme")) root.setAttribute("data-theme", choice);
    try { localStorage.setItem("theme", choice); } catch (e) { /* private mode: the choice lasts for this page */ }
    apply();
  };
  dark.addEventListener("change", apply);
  apply();
})();
