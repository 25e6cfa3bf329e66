// Sorts the tables whose headings hold a button; without a script the order simply stays.
"use strict";
(function () {
  const key = (row, index) => row.cells[index].dataset.value || row.cells[index].textContent.trim();
  const compare = (a, b) => (isNaN(a) || isNaN(b) || a === "" || b === "" ? String(a).localeCompare(String(b)) : a - b);
  document.querySelectorAll("table[data-sorts] thead th").forEach((heading) => {
    const index = heading.cellIndex;
    const button = heading.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      heading.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = heading.closest("table").tBodies[0];
      const rows = Array.from(body.rows).sort((a, b) => compare(key(a, index), key(b, index)));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
})();
