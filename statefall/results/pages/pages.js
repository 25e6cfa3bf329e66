// Filters the tables of a page; without a script every row simply stays.
"use strict";
(function () {
  const small = (text) => (text || "").toLowerCase();
  document.querySelectorAll(".controls[data-for]").forEach((controls) => {
    const table = document.getElementById(controls.dataset.for);
    const rows = Array.from(table.tBodies[0].rows);
    const count = controls.querySelector("[data-count]");
    const fields = Array.from(controls.querySelectorAll("[data-filter]"));
    const attribute = (field) => (field.dataset.filter === "figure" ? "figureName" : field.dataset.filter);
    function fits(row, field) {
      const wanted = field.value, has = row.dataset[attribute(field)];
      if (!wanted) return true;
      return field.type === "search" ? small(has).includes(small(wanted)) : has === wanted;
    }
    function apply() {
      rows.forEach((row) => { row.hidden = !fields.every((field) => fits(row, field)); });
      const left = rows.filter((row) => !row.hidden).length;
      count.textContent = left === rows.length ? rows.length + " rows" : left + " of " + rows.length + " rows";
    }
    fields.forEach((field) => field.addEventListener("input", apply));
    apply();
  });
})();
