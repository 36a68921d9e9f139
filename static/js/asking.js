/* A question that is a page of its own opens as a dialog where there is script: hx-target="#ask". */
(function () {
  "use strict";
  var opener = null;
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (event.detail.target && event.detail.target.id === "ask") opener = event.detail.elt;
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    var dialog = event.detail.target;
    if (dialog.id !== "ask" || dialog.open) return;
    dialog.addEventListener("close", function () { if (opener && opener.isConnected) opener.focus(); }, { once: true });
    dialog.showModal();
  });
})();
