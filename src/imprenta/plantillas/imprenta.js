/* Mejoras que la página puede no tener: sin JavaScript el libro se lee igual. */
(function () {
  "use strict";
  var body = document.body;

  var toggle = document.getElementById("alternar");
  toggle.hidden = false;
  toggle.addEventListener("click", function () {
    var open = body.classList.toggle("con-capitulos");
    toggle.setAttribute("aria-expanded", String(open));
  });

  if (navigator.clipboard) {
    document.querySelectorAll("div.sourceCode").forEach(function (block) {
      var button = document.createElement("button");
      button.type = "button";
      button.className = "copiar";
      button.textContent = "Copiar";
      button.setAttribute("aria-label", body.dataset.copiar);
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(block.querySelector("code").innerText).then(function () {
          button.textContent = body.dataset.copiado;
          setTimeout(function () { button.textContent = "Copiar"; }, 1500);
        });
      });
      block.appendChild(button);
    });
  }

  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("main details").forEach(function (item) { item.open = true; });
  });

  function openTarget() {
    var id = decodeURIComponent(location.hash.slice(1));
    var element = id && document.getElementById(id);
    var box = element && element.closest("details");
    if (box) { box.open = true; element.scrollIntoView(); }
  }
  window.addEventListener("hashchange", openTarget);
  openTarget();

  function fold(text) {
    return text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "");
  }
  var form = document.querySelector("form.busqueda");
  var field = document.getElementById("buscar");
  var list = document.getElementById("resultados");
  if (!window.INDICE) { return; }
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  var entries = null;
  field.addEventListener("input", function () {
    var words = fold(field.value).split(/\s+/).filter(function (word) { return word.length > 1; });
    list.textContent = "";
    if (!words.length) { return; }
    entries = entries || window.INDICE.map(function (entry) {
      return { entry: entry, head: fold(entry.t + " " + entry.s), text: fold(entry.x) };
    });
    var found = entries.map(function (item) {
      var score = words.reduce(function (sum, word) {
        var points = (item.head.indexOf(word) >= 0 ? 10 : 0) + (item.text.indexOf(word) >= 0 ? 1 : 0);
        return points && sum >= 0 ? sum + points : -1;
      }, 0);
      return { entry: item.entry, score: score };
    }).filter(function (item) { return item.score > 0; });
    found.sort(function (a, b) { return b.score - a.score; });
    found.slice(0, 8).forEach(function (item) {
      var row = document.createElement("li");
      var anchor = document.createElement("a");
      anchor.href = body.dataset.raiz + item.entry.d;
      anchor.textContent = item.entry.s || item.entry.t;
      row.appendChild(anchor);
      if (item.entry.s) {
        var where = document.createElement("span");
        where.textContent = item.entry.t;
        row.appendChild(where);
      }
      list.appendChild(row);
    });
    if (!found.length) {
      var none = document.createElement("li");
      none.textContent = body.dataset.vacio;
      list.appendChild(none);
    }
  });
})();
