// Filters the runs of an index everywhere on the page, and sorts their list; without a script all stay.
"use strict";
(function () {
  const form = document.getElementById("filters");
  if (!form) return;
  const fields = Array.from(form.querySelectorAll("[data-filter]"));
  const items = Array.from(document.querySelectorAll("[data-run]"));
  const rows = Array.from(document.querySelectorAll("#runs tbody tr"));
  const shown = (element, inside) => Array.from(element.querySelectorAll(inside)).some((each) => !each.hidden);
  function apply() {
    items.forEach((item) => {
      item.hidden = !fields.every((field) => !field.value || item.dataset[field.dataset.filter] === field.value);
    });
    document.querySelectorAll("#matrix tbody tr").forEach((row) => { row.hidden = !shown(row, ".tile"); });
    const heads = document.querySelectorAll("#matrix thead th");
    heads.forEach((head, at) => {
      if (!at) return;
      const column = Array.from(document.querySelectorAll("#matrix tbody tr")).map((row) => row.cells[at]);
      const empty = !column.some((square) => shown(square, ".tile"));
      [head, ...column].forEach((square) => { square.hidden = empty; });
    });
    document.querySelectorAll("[data-trend]").forEach((trend) => { trend.hidden = !shown(trend, "thead [data-run]"); });
    const left = rows.filter((row) => !row.hidden).length;
    form.querySelector("[data-count]").textContent = left === rows.length ? rows.length + " runs" : left + " of " + rows.length + " runs";
  }
  function sort(head, at) {
    const up = head.getAttribute("aria-sort") !== "ascending";
    const value = (row) => row.cells[at].dataset.value;
    const compared = (a, b) => value(a).localeCompare(value(b), "en", { numeric: true });
    const body = document.querySelector("#runs tbody");
    rows.sort((a, b) => (up ? compared(a, b) : compared(b, a))).forEach((row) => body.append(row));
    document.querySelectorAll("#runs thead th").forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  }
  document.querySelectorAll("#runs thead th").forEach((head, at) => {
    head.querySelector("button").addEventListener("click", () => sort(head, at));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  fields.forEach((field) => field.addEventListener("input", apply));
  apply();
})();
